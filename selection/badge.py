"""BADGE: diverse and uncertain at once, by a k-means++ draw over last-layer gradients.

Source: Ash et al., "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds" (2020),
algorithm 1. The gradient of an item, (p - onehot(argmax p)) outer features, is never built: inner
products of such products factorise, so a step costs n (C + d) instead of n C d.
"""

import numpy as np
from numba import njit, prange

from selection.arrays import FloatArray, Rows, Scores
from selection.types import Ranking, Signals, given


def rank(signals: Signals, budget: int, rng: np.random.Generator) -> Ranking:
    """Return the ranking by `badge`."""
    return Ranking(*badge(given(signals.probs), given(signals.features), budget, rng))


def badge(
    probs: FloatArray, features: FloatArray, budget: int, rng: np.random.Generator
) -> tuple[Rows, Scores]:
    """Return (rows in order of drawing, [b]; smallest gap so far, [b]).

    The first row has the longest gradient, as in the authors' code; each next one is drawn with a
    probability proportional to its squared distance to the nearest row drawn. Rows at distance 0
    from all drawn ones come last, in order.

    Args:
        probs: [n, C].
        features: [n, d].
        budget: b <= n (not checked).
        rng: one uniform number per row.
    """
    probs, features = np.asarray(probs), np.asarray(features)
    residuals = probs.copy()
    residuals[np.arange(len(probs)), probs.argmax(axis=1)] -= 1.0
    squared_norms = _squared_norms(residuals) * _squared_norms(features)
    nearest = np.full(len(probs), np.inf)
    rows, gaps = np.empty(budget, np.int64), np.empty(budget)
    is_left = np.ones(len(probs), bool)
    row = int(squared_norms.argmax())
    for place in range(budget):
        if place:
            ends = np.cumsum(nearest)
            if ends[-1] <= 0.0:
                rows[place:], gaps[place:] = np.flatnonzero(is_left)[: budget - place], 0.0
                break
            # The first row whose end lies above: rows without a share are never drawn.
            row = int(np.searchsorted(ends, rng.random() * ends[-1], side="right"))
        rows[place] = row
        gaps[place] = nearest[row] if place else squared_norms[row]
        is_left[row] = False
        _lower(nearest, residuals, features, squared_norms, row)
        nearest[row] = 0.0
    return rows, np.sqrt(np.minimum.accumulate(gaps))


def _squared_norms(array: FloatArray) -> Scores:
    return np.einsum("ij,ij->i", array, array, dtype=np.float64)


@njit(cache=True, nogil=True, parallel=True, fastmath={"reassoc", "contract", "nsz"})
def _lower(
    nearest: Scores, residuals: FloatArray, features: FloatArray, squared_norms: Scores, drawn: int
) -> None:
    """Lower the squared gradient distances, [n], to those to the drawn row."""
    for row in prange(nearest.shape[0]):
        of_residuals, of_features = 0.0, 0.0
        for j in range(residuals.shape[1]):
            of_residuals += np.float64(residuals[row, j]) * np.float64(residuals[drawn, j])
        for j in range(features.shape[1]):
            of_features += np.float64(features[row, j]) * np.float64(features[drawn, j])
        squared = squared_norms[row] + squared_norms[drawn] - 2.0 * of_residuals * of_features
        # What is left of a cancellation is no distance.
        if squared <= 1e-12 * (squared_norms[row] + squared_norms[drawn]):
            squared = 0.0
        nearest[row] = min(nearest[row], squared)
