"""Estimates the time and memory of a greedy k-centers run before it starts."""

from dataclasses import dataclass

BLOCK_BYTES = 32 << 20  # buffers that do not grow with the pool
# Seconds of a run over those of a plain pass over all pairs at the probe's speed: measured 0.12 to
# 0.18 (50,000 x 64, Gaussian and low-rank, budgets 4,000 and 24,000).
LIKELY_SHARE = 0.16


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
