"""Log files of the service's parts: appended to, readable by their owner alone, limited in size."""

import os
import shutil
from pathlib import Path

MAX_LOG_BYTES = 10 * 1024**2
KEPT_LOGS = 4
TAIL_BYTES = 2000


def open_log(path: Path) -> int:
    """Return a file descriptor that appends to the log."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.fchmod(log, 0o600)
    return log


def rotate(path: Path, max_bytes: int = MAX_LOG_BYTES) -> None:
    """Move what a log holds to NAME.1, and that to NAME.2, once it is too large.

    Copied, then emptied: its writer keeps it open, and appends. What it writes in between is lost.
    """
    if not path.exists() or path.stat().st_size < max_bytes:
        return
    for number in range(KEPT_LOGS - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    newest = path.with_name(f"{path.name}.1")
    newest.touch(mode=0o600)
    shutil.copyfile(path, newest)
    os.truncate(path, 0)


def tail(path: Path) -> str:
    """Return the log's path and its last words."""
    try:
        words = path.read_bytes()[-TAIL_BYTES:].decode(errors="replace")
    except OSError as error:
        words = f"it cannot be read: {error}"
    return f"{path}\n{words}"
