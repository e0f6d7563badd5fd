"""Greedy k-centers against the paper's algorithm, its peers and a plain running minimum.

    python -m tests.benchmarks.selection.bench_k_centers paper cifar10 --out paper-cifar10.json

Seconds of the selection alone, input in memory; both sides run in turns. `make_features` makes the
inputs; docs/benchmarks.md says how the peers' environments are set up.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, prange
from scipy.spatial.distance import cdist

from selection.k_centers.greedy import greedy_k_centers
from tests.benchmarks.rivals import Measured, Outcome, Rival, compare, write_result
from tests.benchmarks.selection.make_features import CACHE, N_LABELED
from tests.benchmarks.selection.peer_process import PeerProcess

Rows = npt.NDArray[np.int64]
Features = npt.NDArray[np.floating[Any]]


@dataclass
class Subject:
    """One comparison: an input, a budget, and the peer's smaller budget if it is slow.

    A peer does the same work for each pick, so what the picks of its smaller budget took is
    multiplied; its labeled rows are counted like picks.
    """

    features: Features
    n_labeled: int
    budget: int
    peer_budget: int
    repeats: int
    picks: dict[str, Rows] = field(default_factory=dict)

    def ours(self) -> Rows:
        """Run ours; keep the picks."""
        labeled, pool = self.features[: self.n_labeled], self.features[self.n_labeled :]
        self.picks["ours"] = greedy_k_centers(pool, labeled, self.budget, _no_draw())[0]
        return self.picks["ours"]

    def extrapolated(self, name: str, seconds: float, rows: Rows) -> Measured:
        """Keep a peer's picks and return its seconds at the whole budget."""
        self.picks[name] = rows
        n_done, n_whole = self.n_labeled + self.peer_budget, self.n_labeled + self.budget
        return Measured(seconds * n_whole / n_done)

    def against(self, peer: Rival) -> tuple[list[Outcome], dict[str, Any]]:
        """Compare, and tell how the picks agree."""
        outcomes = compare(peer, [Rival("ours", self.ours)], self.repeats)
        ours, theirs = self.picks["ours"][: self.peer_budget], self.picks[peer.name]
        agreement = {
            "budget": self.budget,
            "peer_budget": self.peer_budget,
            "same_picks_until": int(np.append(np.flatnonzero(ours != theirs), len(ours))[0]),
            "share_of_peers_picks_in_ours": float(np.isin(theirs, ours).mean()),
        }
        print(agreement, flush=True)
        return outcomes, agreement


def paper_k_centers(features: Features, labeled: Features, budget: int) -> Rows:
    """Return the picked rows, [b]: a row of distances at a time, and their running minimum.

    Source: the published code, which also keeps all these rows as a matrix.
    """
    nearest = np.full(len(features), np.inf)
    rows = np.empty(budget, np.int64)
    for centre in labeled:
        np.minimum(nearest, cdist(features, centre[None])[:, 0], out=nearest)
    for step in range(budget):
        rows[step] = nearest.argmax()
        distances = cdist(features, features[rows[step], None])[:, 0]
        np.minimum(nearest, distances, out=nearest)
        nearest[rows[step]] = -1.0
    return rows


@njit(parallel=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _lower_plainly(
    nearest: npt.NDArray[np.float32],
    features: npt.NDArray[np.float32],
    centre: npt.NDArray[np.float32],
) -> None:
    for row in prange(features.shape[0]):
        squared = np.float32(0.0)
        for j in range(features.shape[1]):
            difference = features[row, j] - centre[j]
            squared += difference * difference
        nearest[row] = min(nearest[row], squared)


def plain_k_centers(features: Features, labeled: Features, budget: int) -> Rows:
    """Return the picked rows, [b], by a float32 running minimum, compiled, on all cores."""
    nearest = np.full(len(features), np.inf, np.float32)
    rows = np.empty(budget, np.int64)
    for centre in labeled:
        _lower_plainly(nearest, features, centre)
    for step in range(budget):
        rows[step] = nearest.argmax()
        _lower_plainly(nearest, features, features[rows[step]])
        nearest[rows[step]] = -1.0
    return rows


Found = tuple[dict[str, list[Outcome]], dict[str, Any]]


def against_paper(features: Features, args: argparse.Namespace) -> Found:
    """The paper's algorithm on ready float64 input."""
    return _against_function("paper", paper_k_centers, features.astype(np.float64), features, args)


def against_plain(features: Features, args: argparse.Namespace) -> Found:
    """A plain float32 running minimum in the same language on the same threads."""
    return _against_function("plain float32", plain_k_centers, features, features, args)


def _against_function(
    name: str,
    select: Callable[[Features, Features, int], Rows],
    peers_features: Features,
    features: Features,
    args: argparse.Namespace,
) -> Found:
    subject = Subject(features, N_LABELED, args.budget, args.peer_budget, args.repeats)
    labeled, pool = peers_features[:N_LABELED], peers_features[N_LABELED:]

    def run() -> Measured:
        started = time.perf_counter()
        rows = select(pool, labeled, args.peer_budget)
        return subject.extrapolated(name, time.perf_counter() - started, rows)

    outcomes, agreement = subject.against(Rival(name, run))
    return {name: outcomes}, {name: agreement}


def against_peers(features: Features, args: argparse.Namespace) -> Found:
    """Each peer of `PEERS` in its own environment, or the one named."""
    outcomes, agreements = {}, {}
    for script, peer in PEERS.items():
        if args.peer not in (None, script) or not (args.environments / peer.environment).exists():
            continue
        sources = [str(args.environments / source) for source in peer.sources]
        with PeerProcess(args.environments / peer.environment, script, *sources) as process:
            subject = Subject(
                features, peer.n_labeled, args.budget, peer.budget or args.budget, args.repeats
            )
            rival = _rival(process, subject, {"features": args.folder / f"{args.input}.npy"})
            outcomes[process.name], agreements[process.name] = subject.against(rival)
    return outcomes, agreements


def _rival(process: PeerProcess, subject: Subject, arrays: Mapping[str, Path]) -> Rival:
    def run() -> Measured:
        found = process.select(arrays, subject.n_labeled, subject.peer_budget)
        return subject.extrapolated(process.name, found.seconds, found.rows)

    return Rival(process.name, run)


@dataclass(frozen=True)
class Peer:
    """A script in peers/: its environment, its smaller budget, the labeled rows it can take."""

    environment: str
    budget: int | None
    n_labeled: int = N_LABELED
    sources: tuple[str, ...] = ()


ANOMALIB = "src/anomalib/src/anomalib/models/components/sampling/k_center_greedy.py"
PEERS: Mapping[str, Peer] = {
    "torch_cluster_k_centers": Peer("torch_cluster", 2_000, n_labeled=1),
    "anomalib_k_centers": Peer("anomalib", 2_000, sources=(ANOMALIB,)),
    "fpsample_k_centers": Peer("fpsample", 500),
    "deepcore_k_centers": Peer("deepcore", 500, sources=("src/deepcore",)),
    "scikit_activeml_k_centers": Peer("scikit-activeml", 500),
}
SIDES = {"paper": against_paper, "plain": against_plain, "peers": against_peers}


def _no_draw() -> np.random.Generator:
    return np.random.default_rng(0)  # with labeled rows nothing is drawn


def main() -> None:
    """Print medians, spread, ratio and how the picks agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("input", choices=("cifar10", "gaussian", "mixture"))
    for name, default in [("budget", 24_000), ("peer-budget", 500), ("repeats", 5)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--peer", choices=PEERS, help="only this one")
    parser.add_argument("--environments", type=Path, default=CACHE / "peers")
    parser.add_argument("--folder", type=Path, default=CACHE)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    features = np.load(args.folder / f"{args.input}.npy")
    outcomes, notes = SIDES[args.side](features, args)
    write_result(args.out, vars(args), outcomes, notes)


if __name__ == "__main__":
    main()
