"""TypiClust: typical items of every cluster, for the first batches, where no proxy is any good.

Source: Hacohen, Dekel, Weinshall, "Active Learning on a Budget" (2022), algorithm 1 and the
authors' code, whose constants these are.
"""

import numpy as np
import numpy.typing as npt

from selection.clusters import cluster
from selection.types import FloatArray, IntArray, Rows, Scores

MOST_CLUSTERS = 500
SMALLEST_CLUSTER = 5
N_NEIGHBOURS = 20


def typiclust(
    features: FloatArray,
    labeled_features: FloatArray | None,
    budget: int,
    rng: np.random.Generator,
) -> tuple[Rows, Scores]:
    """Return (rows in order of picking, [b]; lowest typicality so far, [b]).

    Labeled and pool are clustered together, into as many clusters as there will be labels; those
    with the fewest labeled items, then the largest, are first to give their most typical item: the
    one with the smallest mean distance to its 20 nearest neighbours in the cluster.

    Args:
        features: of the pool, [n, d].
        labeled_features: [m, d], or None.
        budget: b <= n (not checked).
        rng: seeds the clusters.
    """
    labeled = features[:0] if labeled_features is None else labeled_features
    m = len(labeled)
    n_clusters = max(1, min(m + budget, MOST_CLUSTERS))
    clusters = cluster(np.concatenate([labeled, features]), n_clusters, rng)
    order = _order(clusters, m)
    clusters = clusters[m:].copy()
    rows, scores = np.empty(budget, np.int64), np.empty(budget)
    turn = place = 0
    while place < budget:
        members = np.flatnonzero(clusters == order[turn % len(order)])
        turn += 1
        if len(members):
            typicality = typicality_of(features[members])
            best = int(typicality.argmax())
            rows[place], scores[place] = members[best], typicality[best]
            clusters[members[best]] = -1
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


def _order(clusters: IntArray, m: int) -> IntArray:
    """Return the clusters in the order of their turns; those that are too small come last."""
    sizes = np.bincount(clusters)
    n_labeled = np.bincount(clusters[:m], minlength=len(sizes))
    return np.lexsort((-sizes, n_labeled, sizes < SMALLEST_CLUSTER))
