"""Postgres, API and worker as processes of their own: started in order, stopped in order."""

import fcntl
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import sessionmaker

from app.config import Settings, environment_without_settings
from app.db.embedded import EmbeddedPostgres
from app.db.migrate import migrate
from app.db.queries import label_studio
from app.db.session import make_engine, transaction
from app.db.tables import Role
from app.services.tokens import create_token, ensure_admin_token
from app.services.web_sessions import create_admin_link, sign_in_address
from app.storage.room import has_room
from workers.processes import StopClock
from workers.service.health import address_file, ask_readiness, base_url
from workers.service.logs import rotate, tail
from workers.service.ports import free_port
from workers.service.process import STOPPED_SECONDS, ServiceProcess, WantedProcess
from workers.service.start_stop import StartStop
from workers.service.supervision import Part, StackError, Supervisor

READY_SECONDS = 60.0
API_STOP_SECONDS = 15.0
BRIDGE = "labelstudio"  # started once a project is connected
BRIDGE_STOP_SECONDS = 40.0  # a request to Label Studio ends first
WORKER_STOP_SECONDS = 25.0
CHECK_SECONDS = 0.2
# What Postgres needs on its disk to start: a segment of its log, and some.
RESTART_BYTES = 64 * 1024**2


class PostgresPart:
    """The embedded Postgres as a part that is started again."""

    name = "Postgres"

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self.url = ""
        self._stopped = StopClock()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self.url = self.server.start()
        self._stopped = StopClock(self.server.pid)

    def fault(self) -> str | None:
        """Return why it no longer works; kill one that a signal has stopped."""
        if self._stopped.seconds() > STOPPED_SECONDS:
            self.server.kill()
            return f"a signal had stopped it for {STOPPED_SECONDS:.0f} s; it was killed"
        return None if self.server.is_running() else f"it ended: {tail(self.server.log)}"


class Stack(StartStop):
    """The running service. Entering starts Postgres, workers and the API; leaving stops them."""

    def __init__(
        self,
        settings: Settings,
        say: Callable[[str], None] = lambda _: None,
        n_workers: int = 1,
    ) -> None:
        super().__init__()
        workers = ["worker", *(f"worker-{number}" for number in range(2, n_workers + 1))]
        self.settings = settings
        self.say = say
        self.admin_token: str | None = None
        self.database_url = ""
        self.port = settings.port or free_port()
        self._postgres: PostgresPart | None = None
        self._processes = [
            ServiceProcess(name, self._environment, self.log_file(name), stop_seconds)
            for name, stop_seconds in [
                *((worker, WORKER_STOP_SECONDS) for worker in workers),
                ("api", API_STOP_SECONDS),
            ]
        ]
        self._processes.append(
            WantedProcess(
                ServiceProcess(
                    BRIDGE, self._environment, self.log_file(BRIDGE), BRIDGE_STOP_SECONDS, ["run"]
                ),
                self._is_connected,
            )
        )

    @property
    def url(self) -> str:
        """Base URL of the service, as this machine reaches it."""
        return base_url(self.settings.host, self.port)

    def wait(self) -> None:
        """Restart parts that die; raise only when one dies again and again.

        Raises:
            StackError: a part was given up; the message holds its last words.
        """
        supervisor = Supervisor(self._parts(), self._has_room, self.say)
        while True:
            supervisor.check()
            for log in self._logs():
                rotate(log)
            time.sleep(CHECK_SECONDS)

    def create_admin_token(self) -> str:
        """Return a new admin token, for a program that has none."""
        engine = make_engine(self.database_url)
        try:
            with transaction(sessionmaker(engine)) as session:
                return create_token(session, "admin", Role.ADMIN, project_id=None)[0]
        finally:
            engine.dispose()

    def create_sign_in_link(self) -> str:
        """Return a link that signs the admin in on a browser, once."""
        engine = make_engine(self.database_url)
        try:
            with transaction(sessionmaker(engine)) as session:
                return sign_in_address(self.url, self.settings, create_admin_link(session))
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
        self.settings.data_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.settings.data_folder.chmod(0o700)
        self._lock_folder()
        _check_port_free(self.settings.host, self.port)
        self._start_database()
        engine = make_engine(self.database_url)
        try:
            migrate(engine)
            with transaction(sessionmaker(engine)) as session:
                self.admin_token = ensure_admin_token(session)
        finally:
            engine.dispose()
        # Left in reverse order: the API stops before the worker, Postgres last.
        for process in self._processes:
            if process.name != BRIDGE:
                self.say(f"starting {process.name}")
            process.start()
            self._stack.callback(self._stop, process)
        self._wait_until_ready()
        address = address_file(self.settings)
        address.write_text(f"{self.url}\n")
        self._stack.callback(address.unlink, missing_ok=True)

    def _start_database(self) -> None:
        if self.settings.database_url is not None:
            self.database_url = self.settings.database_url.get_secret_value()
            return
        self._postgres = PostgresPart(EmbeddedPostgres(self.settings.postgres_folder))
        self.say("starting Postgres")
        self._stack.callback(self._stop_postgres, self._postgres)
        try:
            self._postgres.start()
        except (OSError, TimeoutError) as error:
            raise StackError(str(error)) from None
        self.database_url = self._postgres.url

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
        reason: str | None = None
        while time.monotonic() < deadline:
            for part in self._parts():
                if (fault := part.fault()) is not None:
                    raise StackError(f"{part.name}: {fault}")
            reason, lacks_room_only = ask_readiness(self.url)
            if reason is None:
                return
            if lacks_room_only:  # labels are taken all the same, and the rest resumes by itself
                self.say(reason)
                return
            time.sleep(0.1)
        raise StackError(
            f"The service is not ready after {READY_SECONDS:.0f} s ({reason}): "
            f"{tail(self.log_file('api'))}"
        )

    def _is_connected(self) -> bool:
        """Return whether a project is connected with Label Studio."""
        engine = make_engine(self.database_url, pool_size=1)
        try:
            with transaction(sessionmaker(engine)) as session:
                return label_studio.exist(session)
        except SQLAlchemyError:
            return False  # the database is away; the next look tells
        finally:
            engine.dispose()

    def _parts(self) -> list[Part]:
        return [*([self._postgres] if self._postgres else []), *self._processes]

    def _logs(self) -> list[Path]:
        embedded = [self._postgres.server.log] if self._postgres else []
        return [*embedded, *(process.log for process in self._processes)]

    def _has_room(self) -> bool:
        return has_room(self.settings.data_folder, RESTART_BYTES)

    def _stop(self, process: ServiceProcess) -> None:
        if process.process is not None:
            self.say(f"stopping {process.name}")
        process.stop()

    def _stop_postgres(self, postgres: PostgresPart) -> None:
        self.say("stopping Postgres")
        postgres.server.stop()


def _check_port_free(host: str, port: int) -> None:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        raise StackError(
            f"{host}:{port} cannot be used ({error.strerror}); choose another with --port, or "
            "--port 0 for any free one."
        ) from None
