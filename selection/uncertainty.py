"""Uncertainty scores: pure functions of class probabilities, higher = select sooner.

Source: Selection via Proxy, section 3.1; the paper scored with random augmentation, callers here
hand in probabilities without it.
"""

import numpy as np
from scipy.special import entr

from selection.types import FloatArray, Scores

ROWS_PER_BLOCK = 4096  # float64 copies stay small on a million rows of a thousand classes


def least_confidence(probs: FloatArray) -> Scores:
    """Return 1 - max p of each row; probs [n, C] -> [n] in 0..1."""
    return 1.0 - probs.max(axis=1).astype(np.float64)


def entropy(probs: FloatArray) -> Scores:
    """Return -sum p ln p of each row in nats; probs [n, C] -> [n].

    An exact zero counts as 0, not NaN: in the published code NaN sorted first.
    """
    scores = np.empty(len(probs))
    for start in range(0, len(probs), ROWS_PER_BLOCK):
        block = slice(start, start + ROWS_PER_BLOCK)
        scores[block] = entr(probs[block].astype(np.float64)).sum(axis=1)
    return scores


def margin(probs: FloatArray) -> Scores:
    """Return 1 - (p1 - p2) of the two most probable classes; probs [n, C >= 2] -> [n]."""
    scores = np.empty(len(probs))
    for start in range(0, len(probs), ROWS_PER_BLOCK):
        block = slice(start, start + ROWS_PER_BLOCK)
        top = np.partition(probs[block], -2, axis=1)[:, -2:].astype(np.float64)
        scores[block] = 1.0 - (top[:, 1] - top[:, 0])
    return scores
