"""What the demo leaves behind: a project that a person can label at once."""

import os
import subprocess
import sys

import httpx
import pytest

from svp_client import Client
from tests.support import wait_for
from workers.service.stack import Stack
from workers.simulation.load import load_experiment
from workers.simulation.own_labeling import start_own_project


@pytest.mark.slow
def test_the_link_signs_in_and_the_project_has_items(service: Stack) -> None:
    with Client(service.url, service.create_admin_token()) as client:
        project = start_own_project(client, load_experiment("digits"))
        wait_for(lambda: bool(client.next_batch(project["id"], 3)["items"]), 60)
    printed = subprocess.run(
        [sys.executable, "-m", "workers.cli.main", "sign-in-link"],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "SVP_DATA_FOLDER": str(service.settings.data_folder)},
    )
    link = printed.stdout.strip()
    assert link.startswith(service.url), "of the service that runs, on whatever port"
    with httpx.Client(base_url=service.url, follow_redirects=True) as browser:
        code = link.rpartition("code=")[2]
        signed_in = browser.post("/sign-in", data={"code": code}, headers={"Origin": service.url})
        assert signed_in.status_code == 200
        assert "Yours to label" in browser.get("/").text
        assert browser.get(f"/projects/{project['id']}/label").status_code == 200
