"""scikit-activeml's CoreSet."""

from collections.abc import Callable

import numpy as np
from serve import Arrays, serve
from skactiveml.pool import CoreSet


def select(arrays: Arrays, n_labeled: int, budget: int) -> Callable[[], np.ndarray]:
    """Return the selection, ready to run."""
    labels = np.full(len(arrays["features"]), np.nan)
    labels[:n_labeled] = 0.0
    strategy = CoreSet(random_state=0)
    return lambda: strategy.query(arrays["features"], labels, batch_size=budget) - n_labeled


if __name__ == "__main__":
    serve("scikit-activeml", select)
