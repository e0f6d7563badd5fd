"""anomalib's KCenterGreedy, by its own steps, from the labeled rows on.

    python anomalib_k_centers.py .../anomalib/models/components/sampling/k_center_greedy.py

Its file is loaded alone: the package around it wants a training framework. What it takes from that
package is a random projection of the features; it is left out, which makes it faster and exact.
"""

import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType

import numpy as np
import torch
from serve import Arrays, serve


def load_k_center_greedy(path: str) -> type:
    """Return the class of the file at `path`."""
    name = "anomalib.models.components.dimensionality_reduction"
    for top in range(1, len(name.split(".")) + 1):
        part = ".".join(name.split(".")[:top])
        sys.modules[part] = ModuleType(part)
    sys.modules[name].SparseRandomProjection = dict  # stands in; never run
    spec = importlib.util.spec_from_file_location("k_center_greedy", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.KCenterGreedy


KCenterGreedy = load_k_center_greedy(sys.argv[1])


def select(arrays: Arrays, n_labeled: int, budget: int) -> Callable[[], np.ndarray]:
    """Return the selection, ready to run."""
    features = torch.from_numpy(arrays["features"])

    def run() -> np.ndarray:
        sampler = KCenterGreedy(features, 1.0)
        sampler.features = features
        for centre in range(n_labeled):
            sampler.update_distances(centre)
        picks = []
        for _ in range(budget):
            pick = sampler.get_new_idx()
            sampler.update_distances(pick)
            sampler.min_distances.scatter_(0, pick.unsqueeze(0).unsqueeze(1), 0.0)
            picks.append(pick)
        return torch.stack(picks).numpy() - n_labeled

    return run


if __name__ == "__main__":
    serve("anomalib", select)
