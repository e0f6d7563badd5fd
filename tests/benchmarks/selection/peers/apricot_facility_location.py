"""apricot's FacilityLocationSelection by lazy greedy over all pairs; it knows no labeled rows."""

from collections.abc import Callable

import numpy as np
from apricot import FacilityLocationSelection
from serve import Arrays, serve


def select(arrays: Arrays, n_labeled: int, budget: int) -> Callable[[], np.ndarray]:
    """Return the selection, ready to run."""
    pool = arrays["features"][n_labeled:].astype(np.float64)
    strategy = FacilityLocationSelection(budget, metric="euclidean", optimizer="lazy")
    return lambda: strategy.fit(pool).ranking


if __name__ == "__main__":
    serve("apricot-select", select)
