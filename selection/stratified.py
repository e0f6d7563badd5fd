"""Uniform and diverse: a random sample in which every region of the features has its share.

Plain uniform draws leave some regions out by chance. Stratified sampling (Cochran 1977, chapter 5)
with proportional shares stays an unbiased sample of the pool, and varies less.
"""

import numpy as np

from selection.arrays import FloatArray, Rows, Scores
from selection.clusters import cluster, unit_rows
from selection.types import Ranking, Signals, given

MOST_CLUSTERS = 200


def rank(signals: Signals, budget: int, rng: np.random.Generator) -> Ranking:
    """Return the ranking by `stratified`."""
    return Ranking(*stratified(given(signals.features), signals.labeled_features, budget, rng))


def stratified(
    features: FloatArray,
    labeled_features: FloatArray | None,
    budget: int,
    rng: np.random.Generator,
) -> tuple[Rows, Scores]:
    """Return (rows in order of drawing, [b]; how far their cluster lacks items, [b], in 0..1).

    Labeled and pool are clustered together, into as many clusters as the budget, and each cluster's
    items come in a random order behind its labeled ones. Item j of a cluster of s stands at
    (j + u) / s, u uniform; the lowest places are drawn.

    Args:
        features: of the pool, [n, d].
        labeled_features: [m, d], or None.
        budget: b <= n (not checked).
        rng: seeds the clusters and draws.
    """
    unit = unit_rows(features)
    labeled = unit[:0] if labeled_features is None else unit_rows(labeled_features)
    m = len(labeled)
    n_clusters = max(1, min(budget, MOST_CLUSTERS))
    clusters = cluster(np.concatenate([labeled, unit]), n_clusters, rng)
    sizes = np.bincount(clusters)
    n_labeled = np.bincount(clusters[:m], minlength=len(sizes))
    order = rng.permutation(len(unit))
    place = np.empty(len(unit))
    for c in range(len(sizes)):
        members = order[clusters[m + order] == c]
        place[members] = (n_labeled[c] + np.arange(len(members)) + rng.random()) / sizes[c]
    rows = np.argsort(place, kind="stable")[:budget].astype(np.int64)
    return rows, 1.0 - place[rows]
