"""`svp up` as its user meets it: start, use, Ctrl-C, start again; and what stops a start."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

from app.client import Client
from app.config import environment_without_settings
from tests.support import wait_for
from workers.simulation.config import OracleConfig
from workers.simulation.oracle import AnswerKey, Oracle

START_SECONDS = 60

pytestmark = pytest.mark.slow


class RunningService:
    """One `svp up`: its process and what it printed."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output
        wait_for(self._has_started, START_SECONDS)

    def _has_started(self) -> bool:
        return self.process.poll() is not None or "Press Ctrl-C" in self.printed

    @property
    def printed(self) -> str:
        return self._output.read_text()

    @property
    def url(self) -> str:
        found = re.search(r"svp serves (\S+)", self.printed)
        assert found, self.printed
        return found[1]

    @property
    def token(self) -> str | None:
        found = re.search(r"Admin token.*?\n\n +(\S+)", self.printed, re.DOTALL)
        return found[1] if found else None

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[Callable[..., RunningService]]:
    """Starts `svp up` on this test's data folder; stops what still runs at the end."""
    started: list[RunningService] = []
    environment = environment_without_settings()

    def start(*options: str) -> RunningService:
        output = tmp_path / f"up-{len(started)}.log"
        with output.open("wb") as log:
            where = ["--data-folder", str(tmp_path / "data"), *(options or ("--port", "0"))]
            process = subprocess.Popen(
                [sys.executable, "-m", "workers.cli.main", "up", *where],
                env={**environment, "PYTHONUNBUFFERED": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        service = RunningService(process, output)
        started.append(service)
        return service

    yield start
    for service in started:
        if service.process.poll() is None:
            service.interrupt()


class TestSvpUp:
    def test_second_start_finds_all_data_and_shows_no_token_again(
        self, start_service: Callable[..., RunningService]
    ) -> None:
        first = start_service()
        assert first.token
        with Client(first.url, first.token) as client:
            project = _label_a_text_project(client)
            models = client.models(project)
            weights = load(client.model_weights(project, models[-1]["id"]))
        assert models[-1]["role"] == "target"
        assert weights
        assert first.interrupt() == 0
        stops = re.findall(r"svp: stopping (\w+)", first.printed)
        assert stops == ["api", "worker", "Postgres"]

        second = start_service()
        assert second.token is None
        with Client(second.url, first.token) as client:
            assert client.project(project)["state"] == "finished"
            assert len(list(client.export_labels(project))) == 16

    def test_ends_with_its_reason_once_postgres_has_died(
        self, start_service: Callable[..., RunningService], tmp_path: Path
    ) -> None:
        service = start_service()
        pid_file = tmp_path / "data" / "postgres" / "postmaster.pid"
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
        assert service.process.wait(60) == 1
        assert "Postgres has ended" in service.printed
        again = start_service()
        with Client(again.url, service.token or "") as client:
            assert client.find_project("none") is None

    def test_second_service_on_the_same_folder_is_refused(
        self, start_service: Callable[..., RunningService]
    ) -> None:
        first = start_service()
        second = start_service()
        assert second.process.wait(30) == 1
        assert f"process {first.process.pid}" in second.printed
        assert "choose another folder" in second.printed

    def test_port_in_use_is_refused_before_anything_starts(
        self, start_service: Callable[..., RunningService]
    ) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            service = start_service("--port", str(listener.getsockname()[1]))
            assert service.process.wait(30) == 1
        assert "choose another with --port" in service.printed
        assert "starting" not in service.printed


def _label_a_text_project(client: Client) -> int:
    """Let an oracle label 16 of 60 texts with a fastText proxy; return the finished project."""
    fast = {"model": "fasttext", "recipe": {"epochs": 5, "buckets": 500}}
    project: int = client.create_project(
        name="reviews",
        modality="text",
        classes=["negative", "positive"],
        proxy=fast,
        target=fast,
        strategy="least_confidence",
        initial_budget=8,
        round_budget=8,
        total_budget=16,
    )["id"]
    words = {"negative": "it broke at once", "positive": "it works as it should"}
    names = list(words)
    texts = [
        {"external_id": f"r-{i}", "text": f"{words[names[i % 2]]} number {i}"} for i in range(60)
    ] + [
        {"external_id": f"e-{i}", "text": words[name], "split": "evaluation", "class": name}
        for i, name in enumerate(names)
    ]
    client.import_texts(project, iter(texts))
    client.start(project)
    key = AnswerKey(np.arange(60)[None] % 2, n_classes=2, seed=1)
    oracle = Oracle(client, OracleConfig(), key, {f"r-{i}": i for i in range(60)}, names)
    assert oracle.label_until_finished(project)["state"] == "finished"
    return project
