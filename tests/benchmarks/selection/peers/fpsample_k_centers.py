"""fpsample's vanilla sampling: its bucketed ones are no faster on 64 features."""

from collections.abc import Callable

import fpsample
import numpy as np
from serve import Arrays, serve


def select(arrays: Arrays, n_labeled: int, budget: int) -> Callable[[], np.ndarray]:
    """Return the selection, ready to run."""
    features, labeled = arrays["features"], list(range(n_labeled))

    def run() -> np.ndarray:
        rows = fpsample.fps_sampling(features, n_labeled + budget, start_idx=labeled)
        return rows[n_labeled:].astype(np.int64) - n_labeled

    return run


if __name__ == "__main__":
    serve("fpsample", select)
