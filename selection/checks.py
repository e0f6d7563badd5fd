"""Checks of arrays at the edge: finds the first bad row, in one pass over a mapped file too."""

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from selection.arrays import AnyArray
from selection.errors import NonFiniteError, NotProbabilitiesError, ShapeError

SUM_TOLERANCE = 1e-3
N_PARTS = 64  # of the rows, for the threads; each stops at its first bad row
compiled = njit(cache=True, nogil=True, parallel=True)


def check_floats(name: str, array: AnyArray, n: int) -> None:
    """Check shape [n, > 0], dtype float32 or float64, and that every value is finite.

    Raises:
        ShapeError, NonFiniteError: one of these does not hold; the message names the row.
    """
    if array.ndim != 2 or len(array) != n or array.shape[1] == 0:
        raise ShapeError(f"{name} must have shape [{n}, ...], not {list(array.shape)}.")
    if array.dtype not in (np.float32, np.float64):
        raise ShapeError(f"{name} must be float32 or float64, not {array.dtype}.")
    row = int(_first_non_finite(np.asarray(array)).min(initial=n))
    if row < n:
        value = array[row][~np.isfinite(array[row])][0]
        raise NonFiniteError(name, row, float(value))


def check_probabilities(probs: AnyArray) -> None:
    """Check that rows of finite values, [n, C >= 2], are >= 0 and sum to 1 within 1e-3.

    Raises:
        ShapeError, NotProbabilitiesError: one of these does not hold; the message names the row.
    """
    n, n_classes = probs.shape
    if n_classes < 2:
        raise ShapeError(f"probs must have at least two classes, not {n_classes}.")
    row = int(_first_improbable(np.asarray(probs)).min(initial=n))
    if row < n:
        smallest, total = float(probs[row].min()), float(probs[row].sum(dtype=np.float64))
        found = f"holds {smallest:.6g}" if smallest < 0 else f"sums to {total:.6g}"
        raise NotProbabilitiesError(row, found)


def check_counts(name: str, array: AnyArray, n: int) -> None:
    """Check shape [n], dtype int64 and that no value is negative.

    Raises:
        ShapeError: one of these does not hold; the message names the row.
    """
    if array.shape != (n,) or array.dtype != np.int64:
        raise ShapeError(
            f"{name} must be int64 of shape [{n}], not {array.dtype} {list(array.shape)}."
        )
    if array.min() < 0:
        row = int(array.argmin())
        raise ShapeError(f"{name} must be >= 0; row {row} holds {array[row]}.")


def check_classes(labels: AnyArray, n_classes: int) -> None:
    """Check that class indices, [n] and >= 0, are below `n_classes`.

    Raises:
        ShapeError: one is not; the message names the row.
    """
    if labels.max() >= n_classes:
        row = int(labels.argmax())
        raise ShapeError(
            f"labels must be below {n_classes}, the columns of probs; row {row} holds "
            f"{labels[row]}."
        )


@compiled
def _first_non_finite(array: AnyArray) -> npt.NDArray[np.int64]:
    """Return, for each part of the rows, its first row with NaN or infinity, else n."""
    n = array.shape[0]
    found = np.full(N_PARTS, n)
    height = (n + N_PARTS - 1) // N_PARTS
    for part in prange(N_PARTS):
        for row in range(part * height, min(n, (part + 1) * height)):
            total = array[row, 0] * 0
            for j in range(1, array.shape[1]):
                total += array[row, j] * 0  # NaN for infinity and NaN, else 0
            if total != 0:
                found[part] = row
                break
    return found


@compiled
def _first_improbable(probs: AnyArray) -> npt.NDArray[np.int64]:
    """Return, for each part of the rows, its first row that is no distribution, else n."""
    n = probs.shape[0]
    found = np.full(N_PARTS, n)
    height = (n + N_PARTS - 1) // N_PARTS
    for part in prange(N_PARTS):
        for row in range(part * height, min(n, (part + 1) * height)):
            total, smallest = 0.0, probs[row, 0]
            for j in range(probs.shape[1]):
                total += probs[row, j]
                smallest = min(smallest, probs[row, j])
            if abs(total - 1.0) > SUM_TOLERANCE or smallest < 0:
                found[part] = row
                break
    return found
