"""DeepCore's k_center_greedy: python deepcore_k_centers.py FOLDER_OF_ITS_SOURCE.

It returns the picks in the order of their rows, not of picking.
"""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from serve import Arrays, serve


def load_k_centers(source: Path) -> tuple[Callable, Callable]:
    """Return (its k_center_greedy, its Euclidean distance) without the networks around them."""
    packages = ("deepcore", "deepcore.methods", "deepcore.nets")
    for name in packages:
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = [str(source / name.replace(".", "/"))]
    for name, needed in (
        ("deepcore.methods.earlytrain", "EarlyTrain"),
        ("deepcore.nets.nets_utils", "MyDataParallel"),
    ):
        sys.modules[name] = ModuleType(name)
        setattr(sys.modules[name], needed, object)
    distances = importlib.import_module("deepcore.methods.methods_utils.euclidean")
    methods = importlib.import_module("deepcore.methods.kcentergreedy")
    return methods.k_center_greedy, distances.euclidean_dist


setattr(np, "in1d", np.isin)  # noqa: B010 - what its numpy had
k_center_greedy, euclidean_dist = load_k_centers(Path(sys.argv[1]))


def select(arrays: Arrays, n_labeled: int, budget: int) -> Callable[[], np.ndarray]:
    """Return the selection, ready to run."""
    features = torch.from_numpy(arrays["features"])

    def run() -> np.ndarray:
        rows = k_center_greedy(
            features, budget, euclidean_dist, "cpu", already_selected=np.arange(n_labeled)
        )
        return rows[rows >= n_labeled] - n_labeled

    return run


if __name__ == "__main__":
    serve("DeepCore", select)
