"""BADGE and facility location against scikit-activeml, small-text and apricot.

    python -m tests.benchmarks.selection.bench_batch badge --out badge.json

BADGE draws, so its outcomes are compared by what they are drawn for: the mean squared gradient
distance of the pool to the nearest item drawn, lower = better spread. Facility location is compared
by its objective, which a peer cannot exceed but by rounding: both are the same greedy.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from selection.badge import badge
from selection.facility_location import facility_location
from tests.benchmarks.rivals import Measured, Outcome, Rival, compare, write_result
from tests.benchmarks.selection.make_features import CACHE, N_LABELED
from tests.benchmarks.selection.peer_process import PeerProcess

Rows = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
N_CLASSES = 10
BLOCK = 2_000


def spread(rows: Rows, probs: Float32Array, features: Float32Array) -> float:
    """Return the mean squared distance, of all gradients to the nearest of these rows'."""
    residuals = probs.astype(np.float64)
    residuals[np.arange(len(probs)), probs.argmax(axis=1)] -= 1.0
    wide = features.astype(np.float64)
    norms = np.square(residuals).sum(axis=1) * np.square(wide).sum(axis=1)
    total = 0.0
    for start in range(0, len(probs), BLOCK):
        here = slice(start, start + BLOCK)
        products = (residuals[here] @ residuals[rows].T) * (wide[here] @ wide[rows].T)
        squared = norms[here, None] + norms[rows] - 2.0 * products
        total += np.maximum(squared.min(axis=1), 0.0).sum()
    return total / len(probs)


def objective(rows: Rows, features: Float32Array) -> float:
    """Return minus the mean squared distance of all items to the nearest of these rows'.

    That is facility location's objective, but for a constant and a factor.
    """
    wide = features.astype(np.float64)
    norms, total = np.square(wide).sum(axis=1), 0.0
    for start in range(0, len(wide), BLOCK):
        here = slice(start, start + BLOCK)
        squared = norms[here, None] + norms[rows] - 2.0 * (wide[here] @ wide[rows].T)
        total += np.maximum(squared.min(axis=1), 0.0).sum()
    return -total / len(wide)


def probabilities(features: Float32Array) -> Float32Array:
    """Return a fixed linear layer's class probabilities, [n, N_CLASSES]."""
    weights = np.random.default_rng(0).normal(size=(features.shape[1], N_CLASSES))
    logits = features.astype(np.float64) @ weights
    logits *= 2.0 / logits.std()
    probs: Float32Array = softmax(logits, axis=1).astype(np.float32)
    return probs


class Subject:
    """One method on one input: what ours does, and how outcomes are judged."""

    def __init__(self, method: str, features: Float32Array) -> None:
        self.method, self.features = method, features
        self.probs = probabilities(features)
        self.arrays = {"features": CACHE / "batch-features.npy", "probs": CACHE / "batch-probs.npy"}
        np.save(self.arrays["features"], features)
        np.save(self.arrays["probs"], self.probs)

    def ours(self, budget: int) -> Rows:
        """Select."""
        if self.method == "badge":
            return badge(self.probs, self.features, budget, np.random.default_rng(0))[0]
        return facility_location(self.features, None, budget)[0]

    def value(self, rows: Rows) -> float:
        """Return how good a selection is."""
        if self.method == "badge":
            return spread(rows, self.probs, self.features)
        return objective(rows, self.features)


PEERS = {
    "badge": {"scikit_activeml_badge": "scikit-activeml", "small_text_badge": "small-text"},
    "facility_location": {"apricot_facility_location": "apricot"},
}


def against(
    process: PeerProcess, subject: Subject, budget: int, repeats: int
) -> tuple[list[Outcome], dict[str, Any]]:
    """Compare with one peer; return (outcomes, the values and the agreement of what they chose)."""
    chosen: dict[str, Rows] = {}

    def theirs() -> Measured:
        found = process.select(subject.arrays, 0, budget)
        chosen["peer"] = found.rows
        return Measured(found.seconds)

    def ours() -> Measured:
        started = time.perf_counter()
        chosen["ours"] = subject.ours(budget)
        return Measured(time.perf_counter() - started)

    outcomes = compare(Rival(process.name, theirs), [Rival("ours", ours)], repeats)
    value: Callable[[str], float] = lambda side: subject.value(chosen[side])  # noqa: E731
    notes = {
        "peers_value": value("peer"),
        "our_value": value("ours"),
        "share_of_same_rows": float(np.isin(chosen["ours"], chosen["peer"]).mean()),
    }
    print(notes, flush=True)
    return outcomes, notes


def main() -> None:
    """Print medians, spread, ratio and the outcomes' values."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method", choices=PEERS)
    for name, default in [("items", 49_000), ("budget", 1_000), ("repeats", 5)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--input", default="cifar10")
    parser.add_argument("--environments", type=Path, default=CACHE / "peers")
    parser.add_argument("--peer", help="only this one")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    features = np.load(CACHE / f"{args.input}.npy")[N_LABELED:][: args.items]
    subject = Subject(args.method, features)
    results, notes = {}, {}
    for script, environment in PEERS[args.method].items():
        if args.peer not in (None, script):
            continue
        with PeerProcess(args.environments / environment, script) as process:
            found = against(process, subject, args.budget, args.repeats)
            results[process.name], notes[process.name] = found
    write_result(args.out, vars(args), results, notes)


if __name__ == "__main__":
    main()
