"""The two services that faults are tried on: `svp up` as a newcomer runs it, and the rig."""

import os
import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from app.config import Settings, environment_without_settings
from svp_client import Client, Retries
from tests.support import wait_for
from tests.system.chaos.clock import PostgresClock
from tests.system.chaos.disks import SmallDisk
from tests.system.rig import SVP, Rig
from workers.service.ports import free_port

LEASE_SECONDS = 20
# Roomy: the files are sparse, and a service may want some gigabytes free.
DISK_MEGABYTES = 8000
START_SECONDS = 120
RESTART_SECONDS = 1.0
ROOT = Path(__file__).parents[3]


@dataclass
class Service(ABC):
    """A running service whose processes can be found by kind.

    Attributes:
        folder: of everything that this run writes.
        disks: by name, those that were mounted and can be filled.
        exits: (monotonic time, exit code, last words) of each end of the supervisor.
    """

    folder: Path
    clock: PostgresClock = field(init=False)
    urls: list[str] = field(default_factory=list)
    admin_token: str = ""
    database_url: str = ""
    disks: dict[str, SmallDisk] = field(default_factory=dict)
    exits: list[tuple[float, int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.chmod(0o755)
        self.clock = PostgresClock(self.folder)

    @property
    @abstractmethod
    def data_folder(self) -> Path:
        """Folder of Postgres, logs and artifacts."""

    @abstractmethod
    def start(self) -> None:
        """Return once the service is ready."""

    @abstractmethod
    def stop(self) -> None:
        """Stop every process in order and unmount the disks."""

    @abstractmethod
    def roots(self) -> list[psutil.Process]:
        """Return the processes whose descendants are the service."""

    def client(self, token: str, i: int = 0) -> Client:
        """Return a client of one of the API processes."""
        url = self.urls[i % len(self.urls)]
        return Client(url, token, timeout=20, trust_env=False, retries=Retries(n=0))

    def find(self, kind: str) -> list[psutil.Process]:
        """Return the live processes of a kind.

        Kinds: supervisor, api, worker, child (of jobs), postgres (the postmaster), backend, redis.
        """
        if kind == "postgres":
            return self._postmaster()
        if kind == "backend":
            return [
                process
                for postmaster in self._postmaster()
                for process in _descendants(postmaster)
                if " postgres " in _command(process) and "[local]" in _command(process)
            ]
        found = []
        for root in self.roots():
            found += [p for p in (root, *_descendants(root)) if _kind(p) == kind]
        return list(dict.fromkeys(found))

    def logs(self) -> list[Path]:
        """Return the files that the service's processes write."""
        folders = (self.folder, self.data_folder, self.data_folder / "logs")
        return sorted({path for folder in folders for path in folder.glob("*.log")})

    def _postmaster(self) -> list[psutil.Process]:
        with suppress(OSError, ValueError, IndexError, psutil.NoSuchProcess):
            return [psutil.Process(int(self._postmaster_file().read_text().split()[0]))]
        return []

    def _postmaster_file(self) -> Path:
        return Settings(data_folder=self.data_folder).postgres_folder / "postmaster.pid"

    def _wait_until_ready(self) -> None:
        wait_for(self.is_ready, START_SECONDS)

    def is_ready(self) -> bool:
        """Return whether every API process says that it can serve."""
        with suppress(httpx.TransportError):
            return all(
                httpx.get(f"{url}/api/v1/health/ready", trust_env=False).is_success
                for url in self.urls
            )
        return False


class UpService(Service):
    """`svp up` with embedded Postgres and no broker; started again when it ends, as by systemd.

    Its data folder is a small disk, and so is the folder of artifacts within it.
    """

    def __init__(self, folder: Path, *, has_small_disks: bool = True) -> None:
        super().__init__(folder)
        self._port = free_port()
        self._has_small_disks = has_small_disks
        self._leaving = threading.Event()
        self._log = folder / "up.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: threading.Thread | None = None
        self.urls = [f"http://127.0.0.1:{self._port}"]

    @property
    def data_folder(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        if self._has_small_disks:
            for name, folder in (("data", ""), ("artifacts", "artifacts")):
                image = self.folder / f"{name}.img"
                self.disks[name] = SmallDisk(self.data_folder / folder, image, DISK_MEGABYTES)
        self._spawn()
        wait_for(lambda: self._code() is not None or bool(self._token()), START_SECONDS)
        self.admin_token = self._token()
        assert self.admin_token, f"svp up did not start: {self._log.read_text()}"
        # The file's lines: process, data folder, start, port, folder of the socket.
        socket_folder = self._postmaster_file().read_text().splitlines()[4]
        self.database_url = f"postgresql://postgres:@/postgres?host={socket_folder}"
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()

    def stop(self) -> None:
        self._leaving.set()
        if self._watcher is not None:
            self._watcher.join()
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(90)
            self._process.kill()
        for process in self._postmaster():
            process.send_signal(signal.SIGINT)
            with suppress(psutil.TimeoutExpired):
                process.wait(20)
        for disk in reversed(self.disks.values()):
            disk.close()

    def roots(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            if self._process is not None:
                return [psutil.Process(self._process.pid)]
        return []

    def _code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def _token(self) -> str:
        """Return the admin token that the first start wrote to a file, "" before that."""
        with suppress(FileNotFoundError):
            return (self.data_folder / "admin-token").read_text().strip()
        return ""

    def _spawn(self) -> None:
        environment = {
            **environment_without_settings(),
            **self.clock.environment(),
            "SVP_ANNOTATION_LEASE_SECONDS": str(LEASE_SECONDS),
            "SVP_WORKER_THREADS": "1",
            "SVP_MIN_FREE_BYTES": str(DISK_MEGABYTES * 1024**2 // 8),
            "PYTHONUNBUFFERED": "1",
        }
        command = [*SVP, "up", "--port", str(self._port), "--data-folder", str(self.data_folder)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environment, cwd=ROOT, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def _watch(self) -> None:
        while not self._leaving.wait(0.2):
            code = self._code()
            if code is None:
                continue
            words = self._log.read_text()[-600:]
            self.exits.append((time.monotonic(), code, words))
            if not self._leaving.wait(RESTART_SECONDS):
                self._spawn()


class RigService(Service):
    """The test rig: Redis, two API processes, one of them behind a proxy, and who restarts them."""

    rig: Rig

    @property
    def data_folder(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        disk = SmallDisk(self.folder / "artifacts", self.folder / "artifacts.img", DISK_MEGABYTES)
        self.disks = {"artifacts": disk}
        self.data_folder.mkdir()
        os.environ.update(self.clock.environment())  # the rig starts Postgres in this process
        self.rig = Rig(self.data_folder, disk.folder)
        self.rig.__enter__()
        self.urls = [f"http://127.0.0.1:{port}" for port in self.rig.ports.values()]
        self.admin_token = self.rig.admin_token
        self.database_url = self.rig.database_url

    def stop(self) -> None:
        self.rig.__exit__(None, None, None)
        for name in self.clock.environment():
            os.environ.pop(name, None)
        for disk in self.disks.values():
            disk.close()

    def roots(self) -> list[psutil.Process]:
        found = []
        for process in list(self.rig.processes.values()):
            with suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(process.pid))
        return found


def _kind(process: psutil.Process) -> str:
    """Return what a process of ours is, by its command line."""
    command = _command(process)
    if "workers.jobs.child" in command:
        return "child"
    if "redis-server" in command:
        return "redis"
    if "workers.cli.main" in command:
        name = command.split("workers.cli.main", 1)[1].split()[0]
        return {"up": "supervisor"}.get(name, name)
    return "other"


def _command(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return list(process.children(recursive=True))
    return []
