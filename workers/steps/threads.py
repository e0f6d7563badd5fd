"""Sets how many cores a process computes on."""

import joblib
import numba

from models.networks.threads import allow_threads, fix_threads


def use_threads(n: int | None = None) -> None:
    """Let torch and the selections' compiled loops use `n` cores.

    By default all that the process may use, of which networks take as many as their minibatches
    are worth (models.networks.threads).
    """
    if n:
        fix_threads(n)
    else:
        n = joblib.cpu_count()
        allow_threads(n)
    numba.set_num_threads(min(n, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
