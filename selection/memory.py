"""Measures free memory, and refuses a selection before it runs out."""

from pathlib import Path

import psutil

from selection.errors import NotEnoughMemoryError

CGROUP = Path("/sys/fs/cgroup")


def check_memory(needed_bytes: int, task: str) -> None:
    """Refuse before the machine runs out of memory.

    Raises:
        NotEnoughMemoryError: less than `needed_bytes` are free.
    """
    free_bytes = available_memory()
    if needed_bytes > free_bytes:
        raise NotEnoughMemoryError(task, needed_bytes, free_bytes)


def available_memory() -> int:
    """Return the bytes that this process may still allocate: the machine's, or its cgroup's.

    A cgroup counts cached pages of files as used, though they are given back when asked for; a scan
    of a large mapped file fills it with them.
    """
    free: int = psutil.virtual_memory().available
    try:
        text = (CGROUP / "memory.max").read_text().strip()
        if text != "max":
            used = int((CGROUP / "memory.current").read_text())
            free = min(free, int(text) - used + _cached_pages())
    except (OSError, ValueError):  # no cgroup v2 here
        pass
    return max(free, 0)


def _cached_pages() -> int:
    """Return the bytes of files' pages that the cgroup holds."""
    counts = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
    return int(counts.get("inactive_file", 0)) + int(counts.get("active_file", 0))
