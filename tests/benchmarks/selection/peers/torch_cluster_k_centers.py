"""torch_cluster's fps: it knows no labeled rows, so it starts from row 0, which must be the one."""

from collections.abc import Callable

import numpy as np
import torch
from serve import Arrays, serve
from torch_cluster import fps


def select(arrays: Arrays, n_labeled: int, budget: int) -> Callable[[], np.ndarray]:
    """Return the selection, ready to run."""
    if n_labeled != 1:
        raise ValueError(f"torch_cluster starts from one row, not {n_labeled}.")
    features = torch.from_numpy(arrays["features"])
    ratio = (budget + 1 - 0.5) / len(features)  # it takes the ceiling

    def run() -> np.ndarray:
        return fps(features, ratio=ratio, random_start=False).numpy()[1:] - 1

    return run


if __name__ == "__main__":
    serve("torch-cluster", select)
