"""What an experiment costs on this machine, by a moment's measurement."""

import time

import numpy as np

# Seconds of `_work` on the 2 CPU cores that `cpu_hours` in an experiment's file are of.
REFERENCE_SECONDS = 0.0018
SIDE = 512
N_TRIES = 10
UNITS = (("years", 8760.0), ("days", 24.0), ("hours", 1.0), ("min", 1 / 60))


def machine_factor() -> float:
    """Return how many times longer than the reference this machine takes, by its best of ten tries.

    Other work and another number of cores count as they are.
    """
    matrix = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    return min(_work(matrix) for _ in range(N_TRIES)) / REFERENCE_SECONDS


def in_words(hours: float) -> str:
    """Return a time in the largest unit of which it holds more than one: "20 min", "1.6 years"."""
    unit, size = next((u for u in UNITS if hours >= 1.5 * u[1]), UNITS[-1])
    amount = hours / size
    return f"{amount:.1f} {unit}" if amount < 3 else f"{amount:.0f} {unit}"


def _work(matrix: np.ndarray) -> float:
    started = time.perf_counter()
    matrix @ matrix
    return time.perf_counter() - started
