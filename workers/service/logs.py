"""Log files of the service's parts: appended to, readable by their owner alone, limited in size."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from app.storage.room import has_room

MAX_LOG_BYTES = 10 * 1024**2
KEPT_LOGS = 4
TAIL_BYTES = 2000
# What a copied log leaves to the rest of the service.
SPARE_BYTES = 64 * 1024**2


def open_log(path: Path) -> int:
    """Return a file descriptor that appends to the log."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.fchmod(log, 0o600)
    return log


def rotate(path: Path, max_bytes: int = MAX_LOG_BYTES) -> None:
    """Move what a log holds to NAME.1, and that to NAME.2, once it is too large.

    Copied, then emptied: its writer keeps it open, and appends. What it writes in between is lost.
    A log that cannot be copied, as on a full disk, stays as it is, and so do the older ones.
    """
    with suppress(OSError):
        size = path.stat().st_size
        if size < max_bytes or not has_room(path.parent, size + SPARE_BYTES):
            return
        copy = path.with_name(f"{path.name}.new")
        try:
            copy.touch(mode=0o600)
            shutil.copyfile(path, copy)
            _shift_older(path)
            copy.replace(path.with_name(f"{path.name}.1"))
        finally:
            copy.unlink(missing_ok=True)
        os.truncate(path, 0)


def _shift_older(path: Path) -> None:
    for number in range(KEPT_LOGS - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))


def tail(path: Path) -> str:
    """Return the log's path and its end."""
    try:
        words = path.read_bytes()[-TAIL_BYTES:].decode(errors="replace")
    except OSError as error:
        words = f"it cannot be read: {error}"
    return f"{path}\n{words}"
