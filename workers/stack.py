"""Postgres, API and worker as processes of their own: started in order, stopped in order."""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from sqlalchemy.orm import sessionmaker

from app.config import Settings, environment_without_settings
from app.db.embedded import EmbeddedPostgres
from app.db.migrate import migrate
from app.db.session import make_engine, transaction
from app.db.tables import Role
from app.domain.errors import DomainError
from app.services.tokens import create_token, ensure_admin_token
from workers.parts import Parts, free_port
from workers.processes import module_command

READY_SECONDS = 60.0
API_STOP_SECONDS = 15.0
WORKER_STOP_SECONDS = 25.0
TAIL_BYTES = 2000
PR_SET_PDEATHSIG = 1


class StackError(DomainError):
    """The service cannot start or has lost a part; the message says which and why."""

    code = "stack_error"


class Stack(Parts):
    """The running service. Entering starts Postgres, a worker and the API; leaving stops them."""

    def __init__(self, settings: Settings, say: Callable[[str], None] = lambda _: None) -> None:
        super().__init__()
        self.settings = settings
        self.say = say
        self.admin_token: str | None = None
        self.database_url = ""
        self.port = settings.port or free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._postgres: EmbeddedPostgres | None = None

    @property
    def url(self) -> str:
        """Base URL of the service."""
        return f"http://{self.settings.host}:{self.port}"

    def wait(self) -> None:
        """Return never, unless a part ends on its own.

        Raises:
            StackError: a part ended; the message holds its last words.
        """
        while True:
            self._check_alive()
            time.sleep(0.2)

    def create_admin_token(self) -> str:
        """Return a new admin token, for a program that has kept none."""
        engine = make_engine(self.database_url)
        try:
            with transaction(sessionmaker(engine)) as session:
                return create_token(session, "admin", Role.ADMIN)[0]
        finally:
            engine.dispose()

    def log_file(self, name: str) -> Path:
        """Return where a process writes its log."""
        return self.settings.data_folder / "logs" / f"{name}.log"

    def _start(self) -> None:
        """Return when the service is ready.

        Raises:
            StackError: a part did not start.
            DatabaseNotUsable: the database's schema does not fit.
        """
        self.settings.data_folder.mkdir(parents=True, exist_ok=True)
        self._lock_folder()
        _check_port_free(self.settings.host, self.port)
        if self.settings.database_url is not None:
            self.database_url = self.settings.database_url.get_secret_value()
        else:
            self._postgres = EmbeddedPostgres(self.settings.postgres_folder)
            self.say("starting Postgres")
            self.database_url = self._postgres.start()
            self._stack.callback(self._stop_postgres, self._postgres)
        engine = make_engine(self.database_url)
        try:
            migrate(engine)
            with transaction(sessionmaker(engine)) as session:
                self.admin_token = ensure_admin_token(session)
        finally:
            engine.dispose()
        # Left in reverse order: the API stops before the worker, Postgres last.
        self._spawn("worker", WORKER_STOP_SECONDS)
        self._spawn("api", API_STOP_SECONDS)
        self._wait_until_ready()

    def _lock_folder(self) -> None:
        path = self.settings.data_folder / "lock"
        file = self._stack.enter_context(path.open("a+"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise StackError(
                f"Another `svp up` (process {file.read().strip()}) uses {path.parent}; stop it "
                "or choose another folder with --data-folder."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()

    def _spawn(self, name: str, stop_seconds: float) -> None:
        log = self.log_file(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        self.say(f"starting {name}")
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own command
                [*module_command("workers.cli.main"), name],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Its own session: a terminal's Ctrl-C reaches the supervisor alone.
                start_new_session=True,
                preexec_fn=_end_with_parent(),  # noqa: PLW1509 - it only calls into libc
            )
        self.processes[name] = process
        self._stack.callback(self._stop, name, process, stop_seconds)

    def _environment(self) -> dict[str, str]:
        return {
            **environment_without_settings(),
            **self.settings.to_environment(),
            "SVP_DATABASE_URL": self.database_url,
            "SVP_PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
        }

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            self._check_alive()
            try:
                if httpx.get(f"{self.url}/api/v1/health/ready").is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise StackError(f"The API is not ready after {READY_SECONDS:.0f} s: {self._tail('api')}")

    def _check_alive(self) -> None:
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise StackError(
                    f"The {name} ended with code {process.returncode}: {self._tail(name)}"
                )

        if self._postgres is not None and not self._postgres.is_running():
            raise StackError(
                f"Postgres has ended; read {self._postgres.folder / 'log'} for the reason. "
                "Start again: what was committed is kept."
            )

    def _tail(self, name: str) -> str:
        path = self.log_file(name)
        return f"{path}\n{path.read_bytes()[-TAIL_BYTES:].decode(errors='replace')}"

    def _stop(self, name: str, process: subprocess.Popen[bytes], seconds: float) -> None:
        self.say(f"stopping {name}")
        self.processes.pop(name, None)
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _stop_postgres(self, postgres: EmbeddedPostgres) -> None:
        self.say("stopping Postgres")
        postgres.stop()


def _end_with_parent() -> Callable[[], object] | None:
    """Return what a child calls so that the kernel ends it when its supervisor dies, however."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # loaded here: between fork and exec only the call is safe
    return lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _check_port_free(host: str, port: int) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise StackError(
                f"{host}:{port} cannot be used ({error.strerror}); choose another with --port, or "
                "--port 0 for any free one."
            ) from None
