"""`svp export` as its user meets it."""

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import Settings
from svp_client import Client
from workers.service.stack import Stack

TEXTS = 30


def svp(service: Stack, token: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers.cli.main", "export", *map(str, arguments)],
        env={**os.environ, "SVP_URL": service.url, "SVP_TOKEN": token},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(params=[10, 1000])
def most(request: pytest.FixtureRequest) -> int:
    """The most labels that the service sends in one answer."""
    return int(request.param)


@pytest.fixture
def stack(tmp_path: Path, most: int) -> Iterator[Stack]:
    settings = Settings(data_folder=tmp_path / "data", port=0, streamed_labels=most)
    with Stack(settings) as stack:
        yield stack


@pytest.mark.slow
def test_large_and_small_exports_are_one_command(most: int, stack: Stack, tmp_path: Path) -> None:
    token = stack.create_admin_token()
    with Client(stack.url, token) as client:
        project = client.create_project(
            name="films", modality="text", classes=["a", "b"], strategy="uniform",
            initial_budget=1, round_budget=1, total_budget=1,
        )["id"]  # fmt: skip
        items = (
            {"external_id": str(i), "text": f"t {i}", "class": "ab"[i % 2]} for i in range(TEXTS)
        )
        client.import_items(project, items)
        done = svp(stack, token, "films", tmp_path / "x.csv", "--class", "a")
        assert done.returncode == 0, done.stderr
        rows = list(csv.DictReader((tmp_path / "x.csv").read_text().splitlines()))
        assert [row["external_id"] for row in rows] == [str(i) for i in range(0, TEXTS, 2)]
        assert len(client.label_exports(project)) == (1 if most < TEXTS // 2 else 0)
        for faulty, said in (
            (("films", tmp_path / "x.csv"), "exists"),
            (("none", tmp_path / "y.csv"), "no project"),
        ):
            done = svp(stack, token, *faulty)
            assert (done.returncode, said in done.stderr) == (1, True), done.stderr
        done = svp(stack, "wrong", "films", tmp_path / "z.csv")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert not list(tmp_path.glob("z.csv*"))
