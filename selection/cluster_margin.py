"""Cluster-margin: the least certain items, spread over clusters.

Source: Citovsky et al., "Batch Active Learning at Scale" (2021), algorithm 2. Differences: clusters
come from k-means, since average linkage needs n^2 memory; within a cluster the item with the
smaller margin goes first, where the authors draw one.
"""

import math

import numpy as np

from selection.arrays import FloatArray, Rows, Scores
from selection.clusters import cluster
from selection.types import Ranking, Signals, given
from selection.uncertainty import margin

CANDIDATES_PER_PICK = 10  # k_m / k_t of the paper's first experiments
ITEMS_PER_CLUSTER = 20
MOST_CLUSTERS = 1000


def rank(signals: Signals, budget: int, rng: np.random.Generator) -> Ranking:
    """Return the ranking by `cluster_margin`."""
    return Ranking(*cluster_margin(given(signals.probs), given(signals.features), budget, rng))


def cluster_margin(
    probs: FloatArray, features: FloatArray, budget: int, rng: np.random.Generator
) -> tuple[Rows, Scores]:
    """Return (rows in order of taking turns, [b]; lowest margin score so far, [b]).

    Of the 10 b rows with the smallest margins, the clusters take turns, the smallest first.

    Args:
        probs: [n, C >= 2].
        features: [n, d].
        budget: b <= n (not checked).
        rng: seeds the clusters.
    """
    scores = margin(probs)
    candidates = np.argsort(-scores, kind="stable")[: CANDIDATES_PER_PICK * budget]
    n_clusters = min(MOST_CLUSTERS, math.ceil(len(probs) / ITEMS_PER_CLUSTER))
    clusters = cluster(features, n_clusters, rng)[candidates]
    sizes = np.bincount(clusters)
    turns = _places_within(clusters)
    # By turn, then the smaller cluster, then its number; candidates already are in margin's order.
    order = np.lexsort((clusters, sizes[clusters], turns))[:budget]
    rows = candidates[order].astype(np.int64)
    return rows, np.minimum.accumulate(scores[rows])


def _places_within(groups: Rows) -> Rows:
    """Return how many earlier entries each entry's group has, [n] -> [n]."""
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], groups[order], side="left")
    places = np.empty(len(groups), np.int64)
    places[order] = np.arange(len(groups)) - starts
    return places
