"""The clock of Postgres, which can be moved while it runs."""

import shutil
import struct
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql

SOURCE = Path(__file__).with_name("moved_clock.c")


class PostgresClock:
    """Moves the time that Postgres reads, by a preloaded library where a C compiler is at hand.

    Without one the stored leases are shifted instead, which only approximates a moved clock: what
    Postgres stamps meanwhile keeps the true time.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._library = folder / "moved_clock.so"
        self._write(0)
        self._file.chmod(0o644)  # Postgres may run as another user
        self.is_preloaded = self._compile()

    @property
    def method(self) -> str:
        """The file that moves the clock."""
        return "preloaded library" if self.is_preloaded else "stored leases shifted by UPDATE"

    def environment(self) -> dict[str, str]:
        """Return the variables that Postgres must be started with; other programs ignore them."""
        if not self.is_preloaded:
            return {}
        return {"LD_PRELOAD": str(self._library), "MOVED_CLOCK": str(self._file)}

    def move(self, seconds: int, before: int, database_url: str) -> None:
        """Let Postgres be so many seconds ahead of the true time; `before` is where it was."""
        if self.is_preloaded:
            self._write(seconds)
            return
        with psycopg.connect(database_url, connect_timeout=5) as connection:
            for table, column in (("jobs", "lease_until"), ("batch_item_slots", "leased_until")):
                shift = sql.SQL("UPDATE {0} SET {1} = {1} - make_interval(secs => %s)")
                connection.execute(
                    shift.format(sql.Identifier(table), sql.Identifier(column)), (seconds - before,)
                )

    def _write(self, seconds: int) -> None:
        # In place: the file is mapped.
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("q", seconds))

    def _compile(self) -> bool:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            return False
        command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(self._library), str(SOURCE)]
        done = subprocess.run(command, check=False, capture_output=True).returncode == 0
        if done:
            self._library.chmod(0o755)
        return done
