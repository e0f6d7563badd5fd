"""Sets how many cores a process computes on."""

import joblib
import numba
import torch


def use_threads(n: int | None = None) -> None:
    """Let torch and compiled loops use `n` cores, by default all that the process may use."""
    n = n or joblib.cpu_count()
    torch.set_num_threads(n)
    numba.set_num_threads(min(n, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
