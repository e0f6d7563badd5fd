"""Candidate pools: the part of the pool that a strategy looks at, and the recall that it costs.

Source: Coleman et al., "Similarity Search for Efficient Active Learning and Search of Rare
Concepts" (SEALS, 2022): the nearest neighbours of the labeled items. The index is faiss's inverted
file over k-means cells; small pools are searched exactly. Differences: the pool alone is indexed,
so that each labeled item gives k unlabeled neighbours.
"""

from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

from selection.arrays import FloatArray, Rows
from selection.memory import check_memory

FEW_ROWS = 20_000  # up to here exact search takes less time than an index
MOST_CELLS = 4096
ROWS_PER_CELL_TRAINED = 64
CELLS_PROBED = 16
ROWS_ADDED_AT_ONCE = 65_536
INDEX_COPIES = 2  # of the features as float32: the index's lists grow by doubling
NEIGHBOURS_AT_ONCE = 1 << 24  # found together: 192 MiB
N_PROBES = 200  # labeled items whose exact neighbours tell the index's recall


@dataclass(frozen=True)
class CandidatePool:
    """Rows of the pool that the strategy looks at.

    Attributes:
        rows: ascending, [k].
        index_recall: share of the exact nearest neighbours that the index found, measured on up to
            200 labeled items; None for a subsample.
    """

    rows: Rows
    index_recall: float | None = None


def uniform_candidates(n: int, size: int, rng: np.random.Generator) -> CandidatePool:
    """Return a uniform subsample of `size` of n rows, or all."""
    return CandidatePool(np.sort(rng.permutation(n)[:size]))


def neighbour_candidates(
    features: FloatArray,
    labeled_features: FloatArray,
    k: int,
    at_least: int,
    rng: np.random.Generator,
) -> CandidatePool:
    """Return the union of the k nearest neighbours (Euclidean) of every labeled item.

    Where they are fewer than `at_least` rows, uniformly drawn rows are added.

    Args:
        features: of the pool, [n, d].
        labeled_features: [m >= 1, d].
        k: neighbours of each.
        at_least: rows wanted, at most n: the budget.
        rng: draws the added rows; an index of many rows is trained on drawn ones too.

    Raises:
        NotEnoughMemoryError: before the index is built.
    """
    n, d = features.shape
    check_memory(INDEX_COPIES * 4 * n * d, f"The index of {n:,} x {d} features")
    k = min(k, n)
    index = _build_index(features, rng)
    is_candidate = np.zeros(n, bool)
    recalls = []
    probes = np.linspace(0, len(labeled_features) - 1, min(len(labeled_features), N_PROBES))
    probed = np.unique(probes.astype(np.int64))
    height = int(np.clip(NEIGHBOURS_AT_ONCE // k, 1, 1024))
    for start in range(0, len(labeled_features), height):
        found = index.search(_float32(labeled_features[start : start + height]), k)[1]
        is_candidate[found[found >= 0]] = True
        here = probed[(probed >= start) & (probed < start + height)]
        if len(here):
            recalls.append((found[here - start], here))
    rows = np.flatnonzero(is_candidate)
    if len(rows) < at_least:
        rest = rng.permutation(np.flatnonzero(~is_candidate))
        rows = np.sort(np.concatenate([rows, rest[: at_least - len(rows)]]))
    found = np.concatenate([part for part, _ in recalls])
    return CandidatePool(rows, _recall(found, features, labeled_features[probed], k))


def selection_recall(selected: Rows, of_full_scan: Rows) -> float:
    """Return the share of the full scan's selection that was selected; 1 for an empty one."""
    if len(of_full_scan) == 0:
        return 1.0
    return float(np.isin(of_full_scan, selected).mean())


def _build_index(features: FloatArray, rng: np.random.Generator) -> faiss.Index:
    n, d = features.shape
    index: faiss.Index
    if n <= FEW_ROWS:
        index = faiss.IndexFlatL2(d)
    else:
        n_cells = min(MOST_CELLS, int(4 * np.sqrt(n)))
        index = faiss.index_factory(d, f"IVF{n_cells},Flat")
        faiss.ParameterSpace().set_index_parameter(index, "nprobe", CELLS_PROBED)
        trained = np.sort(rng.permutation(n)[: n_cells * ROWS_PER_CELL_TRAINED])
        index.train(_float32(features[trained]))
    for start in range(0, n, ROWS_ADDED_AT_ONCE):
        index.add(_float32(features[start : start + ROWS_ADDED_AT_ONCE]))
    return index


def _recall(found: Rows, features: FloatArray, probes: FloatArray, k: int) -> float:
    """Return the share of the exact k nearest neighbours of the probes that were found."""
    exact = _exact_neighbours(_float32(probes), features, k)
    hits = [len(np.intersect1d(a, b)) for a, b in zip(found, exact, strict=True)]
    return float(np.mean(hits)) / k


def _exact_neighbours(probes: npt.NDArray[np.float32], features: FloatArray, k: int) -> Rows:
    """Return the k nearest rows of each probe, [p, k]; the features pass by in parts."""
    squared = np.empty((len(probes), 0), np.float32)
    rows = np.empty((len(probes), 0), np.int64)
    for start in range(0, len(features), ROWS_ADDED_AT_ONCE):
        part = _float32(features[start : start + ROWS_ADDED_AT_ONCE])
        found_squared, found = faiss.knn(probes, part, min(k, len(part)))
        squared, rows = np.hstack([squared, found_squared]), np.hstack([rows, found + start])
        best = np.argsort(squared, axis=1, kind="stable")[:, :k]
        squared = np.take_along_axis(squared, best, axis=1)
        rows = np.take_along_axis(rows, best, axis=1)
    return rows


def _float32(array: FloatArray) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(array, np.float32)
