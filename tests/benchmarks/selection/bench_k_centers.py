"""Greedy k-centers against the paper's algorithm: seconds of the selection alone.

    python tests/benchmarks/selection/bench_k_centers.py --items 50000 --features 64 --budget 500

The peer computes a row of scipy's cdist at a time and keeps the matrix, as the published code does,
but with a running minimum and ready float64 input, so it is a little faster than the original.
Both run in turns, after one small warm-up; Gaussian features (the worst case for pruning).
"""

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy
from scipy.spatial.distance import cdist

sys.path.insert(0, str(Path(__file__).parents[3]))  # also runs where the package is not installed

from selection.k_centers import greedy_k_centers


def paper_k_centers(features: np.ndarray, labeled: np.ndarray, budget: int) -> np.ndarray:
    """Return the picked rows, [b], with an (m + b) x n matrix of distances."""
    m = len(labeled)
    distances = np.empty((m + budget, len(features)))
    nearest = np.full(len(features), np.inf)
    rows = np.empty(budget, np.int64)
    for step in range(m + budget):
        if step >= m:
            rows[step - m] = nearest.argmax()
        centre = labeled[step] if step < m else features[rows[step - m]]
        distances[step] = cdist(features, centre[None])[:, 0]
        np.minimum(nearest, distances[step], out=nearest)
        if step >= m:
            nearest[rows[step - m]] = -1.0
    return rows


def timed(select: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Return (seconds, what `select` returns)."""
    started = time.perf_counter()
    rows = select()
    return time.perf_counter() - started, rows


def main() -> None:
    """Print medians, spread, ratio and whether the picks agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in [
        ("items", 50_000), ("features", 64), ("labeled", 1_000), ("budget", 500), ("repeats", 5),
        ("seed", 0),
    ]:  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    features = rng.normal(size=(args.items, args.features)).astype(np.float32)
    labeled = rng.normal(size=(args.labeled, args.features)).astype(np.float32)
    wide, wide_labeled = features.astype(np.float64), labeled.astype(np.float64)

    def ours() -> np.ndarray:
        return greedy_k_centers(features, labeled, args.budget, rng)[0]

    def paper() -> np.ndarray:
        return paper_k_centers(wide, wide_labeled, args.budget)

    greedy_k_centers(features[:1000], labeled, 10, rng)
    paper_k_centers(wide[:1000], wide_labeled, 10)
    print(vars(args), f"numpy {np.__version__}, scipy {scipy.__version__},")
    print(f"python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")
    runs = [(timed(ours), timed(paper)) for _ in range(args.repeats)]
    for name, side in [("ours", 0), ("paper", 1)]:
        seconds = [run[side][0] for run in runs]
        median = statistics.median(seconds)
        print(f"{name:>6}: median {median:.3f} s, {min(seconds):.3f} to {max(seconds):.3f} s")
    ratios = [paper_run[0] / our_run[0] for our_run, paper_run in runs]
    print(
        f" ratio: median {statistics.median(ratios):.1f}x, {min(ratios):.1f} to {max(ratios):.1f}"
    )
    same = all(np.array_equal(our_run[1], paper_run[1]) for our_run, paper_run in runs)
    print(f" picks: {'the same' if same else 'DIFFERENT'}")


if __name__ == "__main__":
    main()
