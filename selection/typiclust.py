"""TypiClust: typical items of every cluster, for the first batches, before a proxy is good enough.

Source: Hacohen, Dekel, Weinshall, "Active Learning on a Budget" (2022), algorithm 1 and the
authors' code, whose constants these are. As there, features are scaled to length 1 and clusters
of 5 items or fewer take no turn. Differences: typicality is the paper's, one over the mean
distance, where the code takes the mean of squared distances; k-means starts once, where the code
starts it several times; once the larger clusters are empty, the small ones give the rest.
"""

import numpy as np
import numpy.typing as npt

from selection.arrays import FloatArray, IntArray, Rows, Scores
from selection.clusters import cluster, unit_rows
from selection.types import Ranking, Signals, given

MOST_CLUSTERS = 500
TOO_SMALL_CLUSTER = 5
N_NEIGHBOURS = 20


def rank(signals: Signals, budget: int, rng: np.random.Generator) -> Ranking:
    """Return the ranking by `typiclust`."""
    return Ranking(*typiclust(given(signals.features), signals.labeled_features, budget, rng))


def typiclust(
    features: FloatArray,
    labeled_features: FloatArray | None,
    budget: int,
    rng: np.random.Generator,
) -> tuple[Rows, Scores]:
    """Return (rows in order of picking, [b]; lowest typicality so far, [b]).

    Labeled and pool are clustered together, into as many clusters as there will be labels; those
    with the fewest labeled items, then the largest, are first to give their most typical item: the
    one with the smallest mean distance to its 20 nearest neighbours among the cluster's unlabeled.

    Args:
        features: of the pool, [n, d].
        labeled_features: [m, d], or None.
        budget: b <= n (not checked).
        rng: seeds the clusters.
    """
    unit = unit_rows(features)
    labeled = unit[:0] if labeled_features is None else unit_rows(labeled_features)
    m = len(labeled)
    n_clusters = max(1, min(m + budget, MOST_CLUSTERS))
    clusters = cluster(np.concatenate([labeled, unit]), n_clusters, rng)
    rows, scores = np.empty(budget, np.int64), np.empty(budget)
    place = 0
    for order in _orders(clusters, m):
        members = [np.flatnonzero(clusters[m:] == one) for one in order]
        while place < budget and any(map(len, members)):
            for turn, left in enumerate(members):
                if len(left) and place < budget:
                    typicality = typicality_of(unit[left])
                    best = int(typicality.argmax())
                    rows[place], scores[place] = left[best], typicality[best]
                    members[turn] = np.delete(left, best)
                    place += 1
    return rows, np.minimum.accumulate(scores)


def typicality_of(features: FloatArray) -> Scores:
    """Return 1 / mean distance to the nearest neighbours of each row of one cluster, [k] -> [k]."""
    n_neighbours = min(N_NEIGHBOURS, len(features) // 2)
    if n_neighbours == 0:
        return np.full(len(features), 1e5)
    from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415 - a second to import

    finder = NearestNeighbors(n_neighbors=n_neighbours + 1).fit(features)
    distances = finder.kneighbors(features)[0][:, 1:]
    typicality: npt.NDArray[np.float64] = 1.0 / (distances.mean(axis=1, dtype=np.float64) + 1e-5)
    return typicality


def _orders(clusters: IntArray, m: int) -> tuple[IntArray, IntArray]:
    """Return the clusters that take turns, and then those that are too small, in their order."""
    sizes = np.bincount(clusters)
    n_labeled = np.bincount(clusters[:m], minlength=len(sizes))
    order = np.lexsort((-sizes, n_labeled))
    is_small = sizes[order] <= TOO_SMALL_CLUSTER
    return order[~is_small], order[is_small]
