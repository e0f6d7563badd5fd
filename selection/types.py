"""What strategies take and give, checked once at the edge."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]


class SelectionError(ValueError):
    """A selection was asked for that cannot be made; the message says why."""


@dataclass(frozen=True)
class Signals:
    """What is known of the pool; row r of every array is the same item.

    Attributes:
        n: items in the pool.
        probs: class probabilities, [n, C], rows sum to 1.
        features: input of the last linear layer, [n, d].
        labeled_features: the same of the labeled items, [m, d].

    Raises:
        SelectionError: a shape does not fit or a value is not finite.
    """

    n: int
    probs: FloatArray | None = None
    features: FloatArray | None = None
    labeled_features: FloatArray | None = None

    def __post_init__(self) -> None:
        for name in ("probs", "features"):
            array = getattr(self, name)
            if array is not None:
                _check(name, array, self.n)
        if self.probs is not None and self.n:
            sums = self.probs.sum(axis=1, dtype=np.float64)
            if np.abs(sums - 1).max() > 1e-3 or self.probs.min() < 0:
                raise SelectionError("probs must be probabilities: rows >= 0 that sum to 1.")
        if self.labeled_features is not None:
            _check("labeled_features", self.labeled_features, len(self.labeled_features))


def _check(name: str, array: FloatArray, n: int) -> None:
    if array.ndim != 2 or len(array) != n:
        raise SelectionError(f"{name} must have shape [{n}, ...], not {list(array.shape)}.")
    if not np.isfinite(array).all():
        raise SelectionError(f"{name} holds values that are not finite: did training diverge?")


@dataclass(frozen=True)
class Ranking:
    """Selected rows of the arrays given, best first, distinct, [b], and their scores, [b]."""

    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
