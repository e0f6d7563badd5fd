"""Uncertainty scores of a memory-mapped file against numpy and scipy, input checks included.

    cd tests/benchmarks/selection
    python bench_uncertainty.py --out ../../../docs/results/selection/uncertainty.json

Peers: `p.max(1).sum()`, the least that any score must read, and `scipy.special.entr(p).sum(1)`.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.special import entr

sys.path.insert(0, str(Path(__file__).parents[3]))  # also runs where the package is not installed

from selection.arrays import FloatArray
from selection.rank import rank
from selection.types import Signals, given
from selection.uncertainty import entropy
from tests.benchmarks.rivals import Rival, compare, write_result

BLOCK = 1_000_000


def write_probs(path: Path, n: int, n_classes: int, seed: int) -> None:
    """Write float32 probabilities, [n, C], block by block."""
    rng = np.random.default_rng(seed)
    file = np.lib.format.open_memmap(path, "w+", np.float32, (n, n_classes))
    for start in range(0, n, BLOCK):
        part = rng.gamma(0.3, size=(min(BLOCK, n - start), n_classes)) + 1e-9
        file[start : start + BLOCK] = part / part.sum(axis=1, keepdims=True)
    file.flush()


def main() -> None:
    """Print medians, spread and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in [
        ("items", 10_000_000), ("classes", 10), ("budget", 10_000), ("repeats", 5), ("seed", 0),
    ]:  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probs.npy"
        write_probs(path, args.items, args.classes, args.seed)
        probs = np.load(path, mmap_mode="r")

        def select(strategy: str) -> None:
            signals = Signals(len(probs), probs)
            rank(strategy, signals, args.budget, np.random.default_rng(0))

        def checked() -> FloatArray:
            return given(Signals(len(probs), probs).probs)

        scores = entropy(probs)
        results = {
            "scores and top b against p.max(1).sum()": compare(
                Rival("p.max(1).sum()", lambda: probs.max(1).sum()),
                [
                    Rival("least_confidence", lambda: select("least_confidence")),
                    Rival("margin", lambda: select("margin")),
                ],
                args.repeats,
            ),
            "entropy against scipy": compare(
                Rival("scipy.special.entr(p).sum(1)", lambda: entr(probs).sum(1)),
                [
                    Rival(
                        "entropy, checked", lambda: entropy(given(Signals(len(probs), probs).probs))
                    ),
                    Rival("entropy and top b", lambda: select("entropy")),
                ],
                args.repeats,
            ),
            "top b against a full sort": compare(
                Rival("numpy.argsort", lambda: np.argsort(-scores, kind="stable")[: args.budget]),
                [
                    Rival(
                        "uniform: draw and top b",
                        lambda: rank(
                            "uniform", Signals(len(probs)), args.budget, np.random.default_rng(0)
                        ),
                    )
                ],
                args.repeats,
            ),
        }
    write_result(args.out, vars(args), results)


if __name__ == "__main__":
    main()
