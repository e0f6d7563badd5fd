"""`svp up` as its user meets it: start, use, Ctrl-C, start again; and what stops a start."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from safetensors.numpy import load

from app.config import environment_without_settings
from svp_client import Client
from tests.support import wait_for
from workers.processes import CACHES, module_command
from workers.service.health import readiness
from workers.service.supervision import MAX_DEATHS
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
        found = re.search(r"The admin token lies in (\S.*); keep it", self.printed)
        return Path(found[1]).read_text().strip() if found else None

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    return tmp_path / "a folder" / "data"


@pytest.fixture
def start_service(tmp_path: Path, data_folder: Path) -> Iterator[Callable[..., RunningService]]:
    """Starts `svp up` on this test's data folder; stops what still runs at the end.

    Everything is as on a machine where more is amiss than should be: a working folder with files
    named as our packages, proxies that lead nowhere, a cluster's variables, an unknown locale.
    """
    started: list[RunningService] = []
    working_folder = tmp_path / "working"
    (working_folder / "models").mkdir(parents=True)
    for name in ("app.py", "workers.py", "selection.py", "models/__init__.py"):
        (working_folder / name).write_text("raise SystemExit('imported')")
    environment = {
        **{n: v for n, v in environment_without_settings().items() if n not in CACHES},
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "socks5://127.0.0.1:9",
        "LC_ALL": "xx_YY.UTF-8",
        "SVP_PORT": "tcp://10.0.0.1:8000",
        "SVP_SERVICE_HOST": "10.0.0.1",
        "PYTHONUNBUFFERED": "1",
    }

    def start(*options: str, **more: str) -> RunningService:
        output = tmp_path / f"up-{len(started)}.log"
        with output.open("wb") as log:
            where = ["--data-folder", str(data_folder), *(options or ("--port", "0"))]
            process = subprocess.Popen(
                [*module_command("workers.cli.main"), "up", *where],
                cwd=working_folder,
                env={**environment, **more},
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


def direct(service: RunningService, token: str | None) -> Client:
    """Return a client that goes through no proxy."""
    return Client(service.url, token or "", trust_env=False)


class TestSvpUp:
    def test_second_start_finds_all_data_and_shows_no_token_again(
        self, start_service: Callable[..., RunningService]
    ) -> None:
        first = start_service()
        first_token = first.token
        assert first_token
        with direct(first, first.token) as client:
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
        with direct(second, first_token) as client:
            assert client.project(project)["state"] == "finished"
            assert len(list(client.export_labels(project))) == 16

    def test_several_workers_do_the_jobs_of_two_projects_at_the_same_time(
        self, start_service: Callable[..., RunningService]
    ) -> None:
        service = start_service("--port", "0", "--workers", "2")
        with direct(service, service.token) as client:
            projects = [_start_a_long_training(client, name) for name in ("one", "two")]

            def running() -> set[int]:
                jobs = {p: client.jobs(p) for p in projects}
                assert not any(j["state"] == "failed" for of in jobs.values() for j in of)
                return {
                    project
                    for project, of_project in jobs.items()
                    if any(j["state"] == "running" and j["kind"] != "pack" for j in of_project)
                }

            wait_for(lambda: running() == set(projects), 120)
            assert client.overview(projects[0])["n_workers"] == 2
            for project in projects:
                client.cancel(project)
        assert service.interrupt() == 0
        stops = re.findall(r"svp: stopping (\S+)", service.printed)
        assert stops == ["api", "worker-2", "worker", "Postgres"]

    def test_parts_that_are_killed_come_back_by_themselves(
        self, start_service: Callable[..., RunningService], data_folder: Path
    ) -> None:
        service = start_service()
        with direct(service, service.token) as client:
            for name in ("Postgres", "worker", "api"):
                pid = pids(service, data_folder)[name]
                os.kill(pid, signal.SIGKILL)
                wait_for(lambda: f"{name} is started again" in service.printed, 30)  # noqa: B023
                wait_for(lambda: readiness(service.url) is None, 30)
                assert client.find_project("none") is None
        stopped = pids(service, data_folder)["worker"]
        os.kill(stopped, signal.SIGSTOP)
        wait_for(lambda: service.printed.count("worker is started again") == 2, 30)
        assert service.process.poll() is None

    def test_part_that_dies_again_and_again_is_given_up_with_its_reason(
        self, start_service: Callable[..., RunningService], data_folder: Path
    ) -> None:
        service = start_service()
        for _ in range(MAX_DEATHS):
            pid = pids(service, data_folder)["worker"]
            os.kill(pid, signal.SIGKILL)
            wait_for(
                lambda: (
                    pids(service, data_folder).get("worker", pid) != pid  # noqa: B023
                    or service.process.poll() is not None
                ),
                60,
            )
        assert service.process.wait(60) == 1
        assert "worker has ended 5 times within 10 minutes" in service.printed
        assert str(data_folder / "logs" / "worker.log") in service.printed

    def test_nobody_else_reads_its_files_and_no_log_holds_the_token(
        self, start_service: Callable[..., RunningService], data_folder: Path
    ) -> None:
        service = start_service()
        token = service.token
        assert token
        with direct(service, token) as client:
            client.find_project("none")
        assert service.interrupt() == 0
        before = (data_folder / "logs" / "api.log").read_text()
        assert "GET" in before
        assert "/api/v1/projects" in before
        start_service().interrupt()
        assert (data_folder / "logs" / "api.log").read_text().startswith(before)
        assert data_folder.stat().st_mode & 0o007 == 0
        for path in data_folder.rglob("*"):
            assert path.is_symlink() or path.stat().st_mode & 0o077 == 0, path
        texts = [service.printed, *(log.read_text() for log in (data_folder / "logs").iterdir())]
        assert not any(token in text for text in texts)

    def test_a_disk_below_the_watermark_is_reported_and_stops_no_start(
        self, start_service: Callable[..., RunningService]
    ) -> None:
        service = start_service(SVP_MIN_FREE_BYTES=str(2**62))
        assert "Press Ctrl-C" in service.printed
        assert "SVP_MIN_FREE_BYTES" in service.printed
        with direct(service, service.token) as client:
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


def pids(service: RunningService, data_folder: Path) -> dict[str, int]:
    """Return the process id of each part that runs."""
    found = {}
    with suppress(psutil.Error, IndexError):  # what ends meanwhile
        for child in psutil.Process(service.process.pid).children():
            found[child.cmdline()[-1]] = child.pid
    with suppress(OSError, IndexError):
        pid_file = data_folder / "postgres" / "postmaster.pid"
        found["Postgres"] = int(pid_file.read_text().split()[0])
    return found


def _start_a_long_training(client: Client, name: str) -> int:
    """Return a project whose first proxy trains for minutes, on imported labels."""
    epochs = {"model": "fasttext", "recipe": {"epochs": 5000}}
    project = client.create_project(
        name=name, modality="text", classes=["a", "b"], proxy=epochs, target=epochs,
        strategy="least_confidence", initial_budget=10, round_budget=10, total_budget=20,
    )["id"]  # fmt: skip
    known = (
        {"external_id": f"k-{i}", "text": f"text {i}", "class": "ab"[i % 2]} for i in range(400)
    )
    client.import_items(project, known)
    client.import_items(
        project, ({"external_id": f"n-{i}", "text": f"new {i}"} for i in range(100))
    )
    client.start(project)
    return int(project)


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
    client.import_items(project, iter(texts))
    client.start(project)
    key = AnswerKey(np.arange(60)[None] % 2, n_classes=2, seed=1)
    oracle = Oracle(client, OracleConfig(), key, {f"r-{i}": i for i in range(60)}, names)
    assert oracle.label_until_finished(project)["state"] == "finished"
    return project
