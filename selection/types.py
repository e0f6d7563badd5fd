"""Inputs and outputs of strategies, checked once at the edge."""

import math
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np

from selection.arrays import FloatArray, IntArray, Rows, Scores
from selection.checks import check_classes, check_counts, check_floats, check_probabilities
from selection.errors import EmptyPoolError, SelectionError, ShapeError

Array = TypeVar("Array", FloatArray, IntArray)

NEVER_LEARNED = np.iinfo(np.int64).max


def rows_without(n: int, without: Rows) -> Rows:
    """Return the rows 0..n - 1 that are not in `without`, which may repeat and come in any order.

    np.setdiff1d hashes and sorts both sides: seconds for a million rows.
    """
    is_kept = np.ones(n, bool)
    is_kept[without] = False
    return np.flatnonzero(is_kept)


@dataclass(frozen=True)
class ProxyAccuracy:
    """How often a proxy was right on items that it did not learn from.

    Attributes:
        n_right, n: items predicted right, of so many.
        measured_on: "evaluation" split, or "control" arm: its uniform items, predicted before.
    """

    n_right: int
    n: int
    measured_on: str = "evaluation"

    @property
    def low(self) -> float:
        """Lower end of Wilson's 95% interval; 0 where nothing was measured."""
        if self.n == 0:
            return 0.0
        share, z = self.n_right / self.n, 1.959964
        middle = share + z**2 / (2 * self.n)
        width = z * math.sqrt(share * (1 - share) / self.n + z**2 / (4 * self.n**2))
        return max(0.0, (middle - width) / (1 + z**2 / self.n))

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**asdict(self), "low": self.low}


@dataclass(frozen=True)
class Signals:
    """Signals of the pool; row r of every array is the same item, except in labeled_features.

    Attributes:
        n: items in the pool.
        probs: class probabilities, [n, C >= 2], rows >= 0 that sum to 1 within 1e-3.
        features: input of the last linear layer, [n, d]; may be memory-mapped.
        labeled_features: features of the labeled items, [m, d].
        labels: class index of each item, [n], int64; known where a labeled set is cut down to a
            core-set.
        accuracy: the proxy's, on items that it did not learn from.
        forgetting_counts: how often each item was forgotten in training, [n], int64;
            NEVER_LEARNED for an item that the model never got right.

    Raises:
        SelectionError: the pool is empty, a shape or dtype (float32, float64) does not fit, or a
            value is not finite; the message names the row.
    """

    n: int
    probs: FloatArray | None = None
    features: FloatArray | None = None
    labeled_features: FloatArray | None = None
    labels: IntArray | None = None
    forgetting_counts: IntArray | None = None
    accuracy: ProxyAccuracy | None = None

    def __post_init__(self) -> None:
        if self.n < 1:
            raise EmptyPoolError
        if self.probs is not None:
            check_floats("probs", self.probs, self.n)
            check_probabilities(self.probs)
        if self.features is not None:
            check_floats("features", self.features, self.n)
        if self.labeled_features is not None:
            check_floats("labeled_features", self.labeled_features, len(self.labeled_features))
            if self.features is None or self.features.shape[1] != self.labeled_features.shape[1]:
                raise ShapeError("labeled_features need features of the same width.")
        for name in ("labels", "forgetting_counts"):
            if (array := getattr(self, name)) is not None:
                check_counts(name, array, self.n)
        if self.labels is not None and self.probs is not None:
            check_classes(self.labels, self.probs.shape[1])

    @property
    def n_bytes(self) -> int:
        """Bytes of the arrays of numbers, in memory or mapped."""
        arrays = (self.probs, self.features, self.labeled_features)
        return sum(array.nbytes for array in arrays if array is not None)

    def take(self, rows: Rows, labeled_features: FloatArray | None = None) -> "Signals":
        """Return the signals of these rows; the labeled items stay, or are those given."""
        return Signals(
            n=len(rows),
            probs=_taken(self.probs, rows),
            features=_taken(self.features, rows),
            labeled_features=self.labeled_features
            if labeled_features is None
            else labeled_features,
            labels=_taken(self.labels, rows),
            forgetting_counts=_taken(self.forgetting_counts, rows),
            accuracy=self.accuracy,
        )


def given(array: Array | None) -> Array:
    """Return a signal whose presence `selection.rank.rank` has checked."""
    if array is None:
        raise SelectionError("A strategy was called without a signal that it needs; use rank().")
    return array


def _taken(array: Array | None, rows: Rows) -> Array | None:
    return None if array is None else array[rows]


@dataclass(frozen=True)
class Ranking:
    """Selected rows of the arrays given, best first, distinct, [b], and their scores, [b].

    Raises:
        SelectionError: lengths differ, a row appears twice, or a score is not finite.
    """

    rows: Rows
    scores: Scores

    @classmethod
    def of_highest(cls, scores: Scores, budget: int) -> "Ranking":
        """Return the rows of the `budget` highest scores, [n]; ties go to the lowest row."""
        rows = np.arange(len(scores))
        if 0 < budget < len(scores):
            lowest = np.partition(scores, len(scores) - budget)[len(scores) - budget]
            above = np.flatnonzero(scores > lowest)
            level = np.flatnonzero(scores == lowest)[: budget - len(above)]
            rows = np.sort(np.concatenate([above, level]))
        rows = rows[np.argsort(-scores[rows], kind="stable")][:budget]
        return cls(rows, scores[rows])

    def __post_init__(self) -> None:
        if self.rows.shape != self.scores.shape or len(np.unique(self.rows)) != len(self.rows):
            raise SelectionError("A ranking needs distinct rows and one score for each.")
        if not np.isfinite(self.scores).all():
            raise SelectionError("A ranking's scores must be finite.")
