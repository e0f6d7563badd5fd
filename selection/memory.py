"""What memory is free, and a refusal before a selection runs out of it."""

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
    """Return the bytes that this process may still allocate: the machine's, or its cgroup's."""
    free: int = psutil.virtual_memory().available
    limit, used = CGROUP / "memory.max", CGROUP / "memory.current"
    try:
        text = limit.read_text().strip()
        if text != "max":
            free = min(free, int(text) - int(used.read_text()))
    except (OSError, ValueError):  # no cgroup v2 here
        pass
    return max(free, 0)
