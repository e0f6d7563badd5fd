"""The whole service as processes that can be killed and that restart, as under `svp up`.

Postgres, Redis, a worker and two API processes; one of them reaches Postgres through a proxy that
can be cut. A dead part is started again, as systemd or Docker would; nothing else is repaired.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
from pydantic import SecretStr
from sqlalchemy.orm import sessionmaker

from app.config import Settings, environment_without_settings
from app.db.embedded import EmbeddedPostgres
from app.db.migrate import migrate
from app.db.session import make_engine, transaction
from app.db.tables import Role
from app.services.tokens import create_token
from svp_client import Client, Retries
from tests.support import wait_for
from workers.service.ports import free_port
from workers.service.start_stop import StartStop

READY_SECONDS = 60
SVP = (sys.executable, "-m", "workers.cli.main")


class Proxy:
    """Passes TCP connections on to Postgres' unix socket until it is cut."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._refuses = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @contextmanager
    def is_cut(self) -> Iterator[None]:
        """Break every connection and refuse new ones, until the context is left."""
        self._cut()
        try:
            yield
        finally:
            self._refuses.clear()

    def close(self) -> None:
        self._cut()
        self._listener.close()

    def _cut(self) -> None:
        self._refuses.set()
        for end in list(self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                if self._refuses.is_set():
                    raise ConnectionRefusedError
                far.connect(str(self._target))
            except OSError:
                near.close()
                far.close()
                continue
            self._open |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()
        self._open.discard(source)


class Rig(StartStop):
    """The running service. Entering starts every part, leaving ends them."""

    def __init__(self, folder: Path, artifacts: Path) -> None:
        super().__init__()
        self.folder = folder
        self.redis_port = free_port()
        self.ports = {"api": free_port(), "api2": free_port()}
        self.postgres = EmbeddedPostgres(folder / "postgres")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.n_starts: Counter[str] = Counter()
        self._leaving = threading.Event()
        self._artifacts = artifacts

    def _start(self) -> None:
        self.database_url = self.postgres.start()
        self._stack.callback(self.postgres.stop)
        self.proxy = Proxy(self.folder / "postgres" / ".s.PGSQL.5432")
        self._stack.callback(self.proxy.close)
        self.settings = Settings(
            data_folder=self.folder,
            database_url=SecretStr(self.database_url),
            broker_url=SecretStr(f"redis://127.0.0.1:{self.redis_port}/0"),
            artifact_url=f"file://{self._artifacts}",
            min_free_bytes=0,  # the disk of its artifacts is tiny
            worker_threads=1,
            annotation_lease_seconds=8,
            job_lease_seconds=5,
            heartbeat_seconds=0.5,
            sweep_seconds=0.5,
            poll_after_seconds=1,
            job_max_attempts=5,
        )
        self.engine = make_engine(self.database_url)
        self._stack.callback(self.engine.dispose)
        migrate(self.engine)
        self.factory = sessionmaker(self.engine, expire_on_commit=False)
        self.admin_token = self.token("admin", Role.ADMIN)
        self._stack.callback(self._end_all)
        for name in ("redis", "worker", "api", "api2"):
            self._spawn(name)
        watcher = threading.Thread(target=self._watch)
        watcher.start()
        self._stack.callback(self._stop_watching, watcher)
        wait_for(self.is_ready, READY_SECONDS)

    def token(self, name: str, role: Role = Role.ANNOTATOR) -> str:
        with transaction(self.factory) as session:
            return create_token(session, name, role, project_id=None)[0]

    def client(self, token: str, api: str = "api") -> Client:
        url = f"http://127.0.0.1:{self.ports[api]}"
        return Client(url, token, timeout=20, retries=Retries(n=0))  # what fails is to be seen

    def admin(self) -> Client:
        return self.client(self.admin_token)

    def is_ready(self) -> bool:
        """Return whether every API process can serve."""
        with suppress(httpx.TransportError):
            return all(
                httpx.get(f"http://127.0.0.1:{port}/api/v1/health/ready").is_success
                for port in self.ports.values()
            )
        return False

    def kill(self, part: str) -> None:
        """Kill a part as the kernel would, without a word; return when it serves again.

        Parts: those of `processes`, "postgres", and "child", the worker's processes of jobs.
        """
        n_starts = self.n_starts[part]
        if part == "postgres":
            pid = int((self.folder / "postgres" / "postmaster.pid").read_text().split()[0])
            os.kill(pid, signal.SIGKILL)
        elif part == "child":
            self._kill_children()
            return
        else:
            self.processes[part].kill()
        wait_for(lambda: self.n_starts[part] > n_starts, READY_SECONDS)
        wait_for(self.is_ready, READY_SECONDS)

    @contextmanager
    def second_worker(self) -> Iterator[None]:
        """Let another worker serve jobs too, from a folder of its own as on another machine."""
        self._spawn("worker2")
        try:
            wait_for(lambda: bool(self.children("worker2")), READY_SECONDS)
            yield
        finally:
            _end(self.processes.pop("worker2"))

    def children(self, worker: str = "worker") -> list[psutil.Process]:
        """Return a worker's processes: of the running job and the spare one."""
        return list(psutil.Process(self.processes[worker].pid).children(recursive=True))

    def _kill_children(self) -> None:
        wait_for(lambda: bool(self.children()), READY_SECONDS)  # a worker that starts has none yet
        for child in self.children():
            with suppress(psutil.NoSuchProcess):
                child.kill()

    def _spawn(self, name: str) -> None:
        command = {
            "redis": ["redis-server", "--port", str(self.redis_port), "--save", ""],
            "api": [*SVP, "api"],
            "api2": [*SVP, "api"],
            "worker": [*SVP, "worker"],
            "worker2": [*SVP, "worker"],
        }[name]
        url = self.database_url
        if name == "api":
            url = f"postgresql://postgres@127.0.0.1:{self.proxy.port}/postgres"
        settings = {**self.settings.to_environment(), "SVP_DATABASE_URL": url}
        if name in self.ports:
            settings["SVP_PORT"] = str(self.ports[name])
        if name == "worker2":
            settings["SVP_DATA_FOLDER"] = str(self.folder / name)
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                env={**environment_without_settings(), **settings, "PYTHONUNBUFFERED": "1"},
                cwd=Path(__file__).parents[2],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self.n_starts[name] += 1

    def _watch(self) -> None:
        """Start again what has died."""
        while not self._leaving.wait(0.2):
            for name, process in list(self.processes.items()):
                if process.poll() is not None:
                    self._spawn(name)
            if not self.postgres.is_running():
                with suppress(TimeoutError):
                    self.database_url = self.postgres.start()
                    self.n_starts["postgres"] += 1

    def _stop_watching(self, watcher: threading.Thread) -> None:
        self._leaving.set()
        watcher.join()

    def _end_all(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process cleanly, or else kill it."""
    process.terminate()
    try:
        process.wait(25)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
