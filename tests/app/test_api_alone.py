"""The API installed alone, without the libraries that workers compute with."""

import io
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.session import transaction
from app.db.tables import Role
from app.services.tokens import create_token
from svp_client import Client
from tests.app.conftest import png
from tests.loop import publish_in_order
from tests.support import is_open, wait_for
from workers.cli.main import COMPUTING_LIBRARIES
from workers.service.ports import free_port

ROOT = Path(__file__).parents[2]
# `svp` in a process that cannot import what the extra `worker` brings.
SVP_ALONE = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {set(COMPUTING_LIBRARIES)!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Refuse())
from workers.cli.main import run
run()
"""
BUDGETS: dict[str, Any] = {
    "initial_budget": 2, "round_budget": 2, "total_budget": 4, "reserve": 2,
}  # fmt: skip


def svp_alone(*arguments: str) -> list[str]:
    return [sys.executable, "-c", SVP_ALONE, *arguments]


@pytest.fixture
def admin(
    database_url: str, session_factory: sessionmaker[Session], tmp_path: Path
) -> Iterator[Client]:
    """A client of `svp api` in a process of its own."""
    with transaction(session_factory) as session:
        token, _ = create_token(session, "root", Role.ADMIN, project_id=None)
    port = free_port()
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SVP_DATABASE_URL": database_url,
        "SVP_DATA_FOLDER": str(tmp_path / "data"),
        "SVP_PORT": str(port),
    }
    process = subprocess.Popen(svp_alone("api"), env=env)
    try:
        wait_for(lambda: is_open(port), 60)
        with Client(f"http://127.0.0.1:{port}", token) as client:
            yield client
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize(
    ("modality", "proxy", "target", "features"),
    [
        ("text", "fasttext", "vdcnn9", "proxy"),
        ("image", "preact8", "resnet50", "proxy"),
        ("text", "probe", "fasttext", "brought"),
    ],
)
def test_it_serves_a_project_from_its_import_to_its_core_set(
    modality: str,
    proxy: str,
    target: str,
    features: str,
    admin: Client,
    session_factory: sessionmaker[Session],
    settings: Settings,
) -> None:
    project = admin.create_project(
        name="p",
        modality=modality,
        classes=["a", "b"],
        strategy="least_confidence",
        proxy={"model": proxy},
        target={"model": target},
        selection={"features": features},
        **BUDGETS,
    )["id"]
    if modality == "text":
        admin.import_items(project, ({"external_id": f"t-{i}", "text": "x"} for i in range(8)))
    else:
        admin.upload_images(project, [(f"{i}.png", png(8 + i)) for i in range(8)])
    file = io.BytesIO()
    np.save(file, np.ones((8, 3), np.float32))
    assert admin.bring_features(project, file.getvalue())["n"] == 8
    admin.start(project)
    publish_in_order(session_factory, settings, project, 8)
    batch = admin.next_batch(project, size=2)["items"]
    admin.submit_labels(project, [{"item_id": i["item_id"], "class": "a"} for i in batch])
    assert admin.rounds(project)[1]["state"] in ("selecting", "training")
    assert admin.create_core_set(project, strategy="uniform", budget=1)["state"] == "queued"
    for read in (admin.advice, admin.learning_curve, admin.agreement, admin.models):
        read(project)
    assert len(list(admin.export_labels(project))) == 2


@pytest.mark.parametrize("command", [["up"], ["worker"], ["demo"], ["report", "x"]])
def test_a_command_that_computes_says_what_to_install(command: list[str], tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "SVP_DATA_FOLDER": str(tmp_path)}
    done = subprocess.run(
        svp_alone(*command), check=False, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "pip install 'svp-labeling-api[worker]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_both_distributions_need_the_same_in_the_end() -> None:
    whole, alone = (
        tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
        for folder in ("", "deploy/api")
    )
    worker = alone["optional-dependencies"]["worker"]
    assert sorted(alone["dependencies"] + worker) == sorted(whole["dependencies"])
    for key in ("version", "requires-python", "scripts"):
        assert alone[key] == whole[key]


def test_the_extra_worker_brings_what_commands_that_compute_look_for() -> None:
    project = tomllib.loads((ROOT / "deploy" / "api" / "pyproject.toml").read_text())["project"]
    brought = {re.split("[<>=]", one)[0] for one in project["optional-dependencies"]["worker"]}
    providers = packages_distributions()
    needed = {
        name.replace("_", "-").lower() for one in COMPUTING_LIBRARIES for name in providers[one]
    }
    assert needed == brought - {"rich"}  # typer brings it, too
