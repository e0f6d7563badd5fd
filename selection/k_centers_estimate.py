"""What a greedy k-centers run will need, known before it starts."""

from dataclasses import dataclass
from pathlib import Path

import psutil

from selection.errors import NotEnoughMemoryError

BLOCK_BYTES = 32 << 20  # buffers that do not grow with the pool
# Seconds of a run over those of a plain pass over all pairs at the probe's speed: measured 0.12 to
# 0.18 (50,000 x 64, Gaussian and low-rank, budgets 4,000 and 24,000).
LIKELY_SHARE = 0.16
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Estimate:
    """Time and memory of a run, beside the features.

    Attributes:
        memory_bytes: most that is allocated at once.
        seconds: likely.
        seconds_at_most: if no pair could be left out.
    """

    memory_bytes: int
    seconds: float
    seconds_at_most: float

    def __str__(self) -> str:
        """Return the estimate in words."""
        return (
            f"about {self.seconds:.1f} s (at most {self.seconds_at_most:.1f} s) and "
            f"{self.memory_bytes / 2**20:.0f} MiB beside the features"
        )


def memory_needed(n: int, n_centres: int, width: int) -> int:
    """Return the bytes of a run of n rows and n_centres = m + b centres; sketches are [., width].

    A row: its sketch, half norm, bound, count and the masks that find a block; a centre: its
    sketch twice (once on its way into the panels), pick and radius.
    """
    return n * (4 * width + 4 + 8 + 4 + 9) + n_centres * (8 * width + 8 + 16) + BLOCK_BYTES


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
