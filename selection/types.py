"""What strategies take and give, checked once at the edge."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


class SelectionError(ValueError):
    """A selection was asked for that cannot be made; the message says why."""


@dataclass(frozen=True)
class Signals:
    """What is known of the pool; row r of every array is the same item, bar labeled_features.

    Attributes:
        n: items in the pool.
        probs: class probabilities, [n, C >= 2], rows >= 0 that sum to 1 within 1e-3.
        features: input of the last linear layer, [n, d].
        labeled_features: the same of the labeled items, [m, d].

    Raises:
        SelectionError: a shape or dtype (float32, float64) does not fit, or a value is not finite.
    """

    n: int
    probs: FloatArray | None = None
    features: FloatArray | None = None
    labeled_features: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.probs is not None:
            _check("probs", self.probs, self.n)
            _check_probabilities(self.probs)
        if self.features is not None:
            _check("features", self.features, self.n)
        if self.labeled_features is not None:
            _check("labeled_features", self.labeled_features, len(self.labeled_features))
            if self.features is None or self.features.shape[1] != self.labeled_features.shape[1]:
                raise SelectionError("labeled_features need features of the same width.")


def _check(name: str, array: FloatArray, n: int) -> None:
    if array.ndim != 2 or len(array) != n:
        raise SelectionError(f"{name} must have shape [{n}, ...], not {list(array.shape)}.")
    if array.dtype not in (np.float32, np.float64):
        raise SelectionError(f"{name} must be float32 or float64, not {array.dtype}.")
    if not np.isfinite(array).all():
        raise SelectionError(f"{name} holds values that are not finite: did training diverge?")


def _check_probabilities(probs: FloatArray) -> None:
    if probs.shape[1] < 2:
        raise SelectionError(f"probs must have at least two classes, not {probs.shape[1]}.")
    sums = probs.sum(axis=1, dtype=np.float64)
    if (np.abs(sums - 1) > 1e-3).any() or (probs < 0).any():
        raise SelectionError("probs must be probabilities: rows >= 0 that sum to 1.")


@dataclass(frozen=True)
class Ranking:
    """Selected rows of the arrays given, best first, distinct, [b], and their scores, [b].

    Raises:
        SelectionError: lengths differ, a row comes twice, or a score is not finite.
    """

    rows: Rows
    scores: Scores

    def __post_init__(self) -> None:
        if self.rows.shape != self.scores.shape or len(np.unique(self.rows)) != len(self.rows):
            raise SelectionError("A ranking needs distinct rows and one score for each.")
        if not np.isfinite(self.scores).all():
            raise SelectionError("A ranking's scores must be finite.")
