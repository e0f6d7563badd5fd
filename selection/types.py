"""What strategies take and give, checked once at the edge."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from selection.errors import (
    EmptyPoolError,
    NonFiniteError,
    NotProbabilitiesError,
    SelectionError,
    ShapeError,
)

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]

Array = TypeVar("Array", FloatArray, IntArray)

NEVER_LEARNED = np.iinfo(np.int64).max
CELLS_PER_BLOCK = 1 << 20  # checks stream, so that a memory-mapped array may exceed memory
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Signals:
    """What is known of the pool; row r of every array is the same item, bar labeled_features.

    Attributes:
        n: items in the pool.
        probs: class probabilities, [n, C >= 2], rows >= 0 that sum to 1 within 1e-3.
        features: input of the last linear layer, [n, d]; may be memory-mapped.
        labeled_features: the same of the labeled items, [m, d].
        labels: class index of each item, [n], int64; known where a labeled set is cut down to a
            core-set.
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

    def __post_init__(self) -> None:
        if self.n < 1:
            raise EmptyPoolError
        if self.probs is not None:
            _check_floats("probs", self.probs, self.n)
            _check_probabilities(self.probs)
        if self.features is not None:
            _check_floats("features", self.features, self.n)
        if self.labeled_features is not None:
            _check_floats("labeled_features", self.labeled_features, len(self.labeled_features))
            if self.features is None or self.features.shape[1] != self.labeled_features.shape[1]:
                raise ShapeError("labeled_features need features of the same width.")
        for name in ("labels", "forgetting_counts"):
            if (array := getattr(self, name)) is not None:
                _check_counts(name, array, self.n)

    def take(self, rows: Rows) -> "Signals":
        """Return the signals of these rows of the pool; the labeled items stay."""
        return Signals(
            n=len(rows),
            probs=_taken(self.probs, rows),
            features=_taken(self.features, rows),
            labeled_features=self.labeled_features,
            labels=_taken(self.labels, rows),
            forgetting_counts=_taken(self.forgetting_counts, rows),
        )


def _taken(array: Array | None, rows: Rows) -> Array | None:
    return None if array is None else array[rows]


def _check_floats(name: str, array: FloatArray, n: int) -> None:
    if array.ndim != 2 or len(array) != n or array.shape[1] == 0:
        raise ShapeError(f"{name} must have shape [{n}, ...], not {list(array.shape)}.")
    if array.dtype not in (np.float32, np.float64):
        raise ShapeError(f"{name} must be float32 or float64, not {array.dtype}.")
    for start, block in _blocks(array):
        finite = np.isfinite(block)
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            raise NonFiniteError(name, start + int(row), float(block[row, column]))


def _check_probabilities(probs: FloatArray) -> None:
    if probs.shape[1] < 2:
        raise ShapeError(f"probs must have at least two classes, not {probs.shape[1]}.")
    for start, block in _blocks(probs):
        sums = block.sum(axis=1, dtype=np.float64)
        wrong = np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)
        if len(wrong):
            row = int(wrong[0])
            raise NotProbabilitiesError(start + row, f"sums to {sums[row]:.6g}")
        if block.min() < 0:
            row = int(np.argwhere(block < 0)[0][0])
            raise NotProbabilitiesError(start + row, f"holds {block[row].min():.6g}")


def _check_counts(name: str, array: IntArray, n: int) -> None:
    if array.shape != (n,) or array.dtype != np.int64:
        raise ShapeError(
            f"{name} must be int64 of shape [{n}], not {array.dtype} {list(array.shape)}."
        )
    if array.min() < 0:
        row = int(array.argmin())
        raise ShapeError(f"{name} must be >= 0; row {row} holds {array[row]}.")


def _blocks(array: FloatArray) -> "list[tuple[int, FloatArray]]":
    height = max(1, CELLS_PER_BLOCK // array.shape[1])
    return [(start, array[start : start + height]) for start in range(0, len(array), height)]


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
