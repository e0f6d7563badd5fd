"""Uncertainty scores: pure functions of class probabilities, higher = select sooner.

Source: Selection via Proxy, section 3.1; the paper scored with random augmentation, callers here
hand in probabilities without it. Each score is one pass over the rows, all cores, no copies: a
memory-mapped file may be larger than memory.
"""

import numpy as np
from numba import njit, prange

from selection.arrays import FloatArray, Scores
from selection.types import Ranking, Signals, given

compiled = njit(cache=True, nogil=True, parallel=True)


def rank_by_least_confidence(signals: Signals, budget: int, _rng: np.random.Generator) -> Ranking:
    """Return the ranking by `least_confidence`."""
    return Ranking.of_highest(least_confidence(given(signals.probs)), budget)


def rank_by_entropy(signals: Signals, budget: int, _rng: np.random.Generator) -> Ranking:
    """Return the ranking by `entropy`."""
    return Ranking.of_highest(entropy(given(signals.probs)), budget)


def rank_by_margin(signals: Signals, budget: int, _rng: np.random.Generator) -> Ranking:
    """Return the ranking by `margin`."""
    return Ranking.of_highest(margin(given(signals.probs)), budget)


def least_confidence(probs: FloatArray) -> Scores:
    """Return 1 - max p of each row; probs [n, C] -> [n] in 0..1."""
    scores = np.empty(len(probs))
    _least_confidence(np.asarray(probs), scores)
    return scores


def entropy(probs: FloatArray) -> Scores:
    """Return -sum p ln p of each row in nats; probs [n, C] -> [n].

    An exact zero counts as 0, not NaN: in the published code NaN sorted first.
    """
    scores = np.empty(len(probs))
    _entropy(np.asarray(probs), scores)
    return scores


def margin(probs: FloatArray) -> Scores:
    """Return 1 - (p1 - p2) of the two most probable classes; probs [n, C >= 2] -> [n]."""
    scores = np.empty(len(probs))
    _margin(np.asarray(probs), scores)
    return scores


@compiled
def _least_confidence(probs: FloatArray, scores: Scores) -> None:
    for row in prange(probs.shape[0]):
        first = probs[row, 0]
        for j in range(1, probs.shape[1]):
            first = max(first, probs[row, j])
        scores[row] = 1.0 - np.float64(first)


@compiled
def _entropy(probs: FloatArray, scores: Scores) -> None:
    for row in prange(probs.shape[0]):
        total = 0.0
        for j in range(probs.shape[1]):
            p = np.float64(probs[row, j])
            if p > 0.0:
                total -= p * np.log(p)
        scores[row] = total


@compiled
def _margin(probs: FloatArray, scores: Scores) -> None:
    for row in prange(probs.shape[0]):
        first = max(probs[row, 0], probs[row, 1])
        second = min(probs[row, 0], probs[row, 1])
        for j in range(2, probs.shape[1]):
            p = probs[row, j]
            second = max(second, min(first, p))
            first = max(first, p)
        scores[row] = 1.0 - (np.float64(first) - np.float64(second))
