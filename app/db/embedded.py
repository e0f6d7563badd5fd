"""The private Postgres that runs where SVP_DATABASE_URL is not set.

One owner (the supervisor of `svp up`, or a test session) starts and stops it; all others connect.
It listens on a unix socket only, in a folder that no other user of the machine can enter.
"""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from app.db.postgres_program import SERVER_LOCALE, PostgresProgram, find_program
from app.db.socket_folder import find_socket_folder

START_SECONDS = 15.0
RECOVERY_SECONDS = 300.0
STOP_SECONDS = 60.0
RETRY_SECONDS = 0.1
TAIL_BYTES = 600


@dataclass(frozen=True)
class Postmaster:
    """A running server: its process and the folder of its socket."""

    process: psutil.Process
    socket_folder: str


class EmbeddedPostgres:
    """A Postgres server under one folder, reached over a unix socket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._started: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """The server's own log."""
        return self.folder / "log"

    def start(self) -> str:
        """Return the URL of the running server; start it if needed, also after it was killed.

        Retries for 15 s, as what a killed server leaves behind takes seconds to end; waits longer
        while the server recovers.

        Raises:
            TimeoutError: the server does not answer; the message holds its last words.
            OSError: its folder or that of its socket cannot be used.
        """
        deadline = time.monotonic() + START_SECONDS
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            while True:
                self._ensure_running()
                if (url := self._answers()) is not None:
                    return url
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"The embedded Postgres in {self.folder} does not start; {self.log} ends "
                        f"with: {self._last_words()}"
                    )
                time.sleep(RETRY_SECONDS)

    def url(self) -> str:
        """Return the URL of the running server, which another process has started.

        Raises:
            TimeoutError: none runs.
        """
        running = self._postmaster()
        if running is None:
            raise TimeoutError(f"No Postgres runs in {self.folder}; start the service: `svp up`.")
        return _url(running.socket_folder)

    def is_running(self) -> bool:
        """Return whether the server's process lives."""
        if self._started is not None:
            self._started.poll()
        return self._postmaster() is not None

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        running = self._postmaster()
        return running.process.pid if running else None

    def kill(self) -> None:
        """Kill the server at once; the next start recovers what was committed."""
        running = self._postmaster()
        if running is not None:
            with suppress(psutil.NoSuchProcess):
                running.process.kill()
                running.process.wait(STOP_SECONDS)

    def stop(self) -> None:
        """Stop the server and wait until it has written everything."""
        running = self._postmaster()
        if running is not None:
            for how in (signal.SIGINT, signal.SIGQUIT):  # sessions are ended; all is dropped
                with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
                    running.process.send_signal(how)
                    running.process.wait(STOP_SECONDS)
                    break
        if self._started is not None:
            with suppress(subprocess.TimeoutExpired):
                self._started.wait(STOP_SECONDS)
            self._started = None

    def _ensure_running(self) -> None:
        if self.is_running():
            return
        if self._started is not None:
            # It is about to end: as a zombie it would hold the socket's lock file.
            with suppress(subprocess.TimeoutExpired):
                self._started.wait(START_SECONDS)
        program = find_program(self.folder)
        if not (self.folder / "PG_VERSION").exists():
            program.initialise(self.folder)
        # What is left of a killed server names a process id that another process may have by now;
        # Postgres would take that one for a server. `_postmaster` has looked: there is none.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        self._started = self._spawn(program)

    def _spawn(self, program: PostgresProgram) -> subprocess.Popen[bytes]:
        socket_folder = find_socket_folder(self.folder, program.user)
        options = {
            "listen_addresses": "",
            "unix_socket_directories": '"{}"'.format(str(socket_folder).replace('"', '""')),
            "unix_socket_permissions": "0700",
            "logging_collector": "off",
            **dict.fromkeys(("lc_messages", "lc_monetary", "lc_numeric", "lc_time"), SERVER_LOCALE),
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return program.popen("postgres", ["-D", str(self.folder), *settings], self.folder, log)
        finally:
            os.close(log)

    def _answers(self) -> str | None:
        """Return the URL once the server takes connections; None if it has ended instead."""
        deadline = time.monotonic() + RECOVERY_SECONDS
        while self._is_alive() and time.monotonic() < deadline:
            running = self._postmaster()
            if running is not None and running.socket_folder:
                url = _url(running.socket_folder)
                with suppress(psycopg.OperationalError):
                    psycopg.connect(url, connect_timeout=5).close()
                    return url
            time.sleep(RETRY_SECONDS)
        return None

    def _is_alive(self) -> bool:
        if self._started is not None and self._started.poll() is None:
            return True
        return self._postmaster() is not None

    def _postmaster(self) -> Postmaster | None:
        """Return the server that runs on the folder, whoever started it."""
        try:
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
            process = psutil.Process(int(lines[0]))
            is_ours = process.name() == "postgres" and self.folder.samefile(process.cwd())
            if not is_ours or process.status() == psutil.STATUS_ZOMBIE:
                return None
        except (OSError, ValueError, IndexError, psutil.Error):
            return None
        return Postmaster(process, lines[4].strip() if len(lines) > 4 else "")

    def _last_words(self) -> str:
        with suppress(OSError):
            return self.log.read_bytes()[-TAIL_BYTES:].decode(errors="replace").strip()
        return "nothing; it has not been started"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let only one process at a time start a server on this folder."""
        with (self.folder.parent / "postgres.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _url(socket_folder: str) -> str:
    return f"postgresql://postgres:@/postgres?host={quote(socket_folder)}"
