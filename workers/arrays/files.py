"""Opens, checks and writes the files of a selection outside of the service.

Files are memory-mapped and may be larger than memory. Indices are positions in them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.storage.durable import replaced
from app.storage.npy import open_npy
from selection.arrays import AnyArray, FloatArray, IntArray
from selection.errors import OverlapError, SelectionError, ShapeError
from selection.types import NEVER_LEARNED


@dataclass(frozen=True)
class Arrays:
    """Files of one selection; see `svp select --help`."""

    features: Path | None = None
    probs: Path | None = None
    labels: Path | None = None
    forgetting: Path | None = None
    labeled: Path | None = None
    labeled_features: Path | None = None
    pool: Path | None = None

    @property
    def measured(self) -> dict[str, Path]:
        """Files with a row for each item, by the name of their signal."""
        files = {
            "features": self.features,
            "probs": self.probs,
            "labels": self.labels,
            "forgetting_counts": self.forgetting,
        }
        return {name: path for name, path in files.items() if path is not None}


@dataclass(frozen=True)
class OpenedArrays:
    """The arrays that a selection works on.

    Attributes:
        signals: of all items, by name.
        pool_index: items of the pool, ascending, [n].
        labeled_features: [m, d]; None without.
    """

    signals: Mapping[str, AnyArray]
    pool_index: IntArray
    labeled_features: FloatArray | None


def open_arrays(arrays: Arrays) -> OpenedArrays:
    """Return the files, memory-mapped, and the pool and labeled items that they name.

    Raises:
        ShapeError: a file does not hold an array, or lengths differ.
        OverlapError: an index appears twice, is out of range, or is in both pool and labeled.
        SelectionError: no file has a row for each item.
    """
    signals, n = _open_signals(arrays)
    labeled = _indices("labeled", arrays.labeled, n)
    pool = np.setdiff1d(np.arange(n), labeled)
    if arrays.pool is not None:
        pool = _indices("pool", arrays.pool, n)
    both = np.intersect1d(pool, labeled)
    if len(both):
        raise OverlapError(
            f"Item {both[0]} is in --pool and in --labeled ({len(both)} items are); take it out "
            "of one of them."
        )
    return OpenedArrays(signals, pool, _labeled_features(arrays, signals.get("features"), labeled))


def _open_signals(arrays: Arrays) -> tuple[dict[str, AnyArray], int]:
    """Return the files of signals by the name of the signal, and their number of items."""
    signals = {name: load(path) for name, path in arrays.measured.items()}
    for name in ("labels", "forgetting_counts"):
        if name in signals and np.issubdtype(signals[name].dtype, np.integer):
            signals[name] = signals[name].astype(np.int64)
    if "forgetting_counts" in signals:
        counts = signals["forgetting_counts"]
        signals["forgetting_counts"] = np.where(counts == -1, NEVER_LEARNED, counts)
    lengths = {name: len(array) for name, array in signals.items()}
    if not lengths:
        raise SelectionError("Give --features or --probs: an array with a row for each item.")
    n = next(iter(lengths.values()))
    if set(lengths.values()) != {n}:
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ShapeError(f"Arrays must have a row for each item, but their lengths are {found}.")
    return signals, n


def _labeled_features(
    arrays: Arrays, features: AnyArray | None, labeled: IntArray
) -> FloatArray | None:
    if arrays.labeled_features is not None:
        if len(labeled):
            raise OverlapError("Give either --labeled or --labeled-features, not both.")
        return load(arrays.labeled_features)
    return np.asarray(features[labeled]) if features is not None and len(labeled) else None


def load(path: Path) -> AnyArray:
    """Return an array with a row for each item, memory-mapped.

    Raises:
        ShapeError: there is no such file, or it holds no array with rows.
    """
    if not path.exists():
        raise ShapeError(f"There is no file {path}.")
    try:
        array = open_npy(path)
    except ValueError as error:
        raise ShapeError(f"{path} is not a NumPy file: {error}.") from None
    if array.ndim == 0:
        raise ShapeError(f"{path} must hold one array with a row for each item.")
    return array


def _indices(name: str, path: Path | None, n: int) -> IntArray:
    """Return the indices of a file, ascending; an absent one holds none."""
    if path is None:
        return np.empty(0, np.int64)
    index = load(path)
    if index.ndim != 1 or not np.issubdtype(index.dtype, np.integer):
        raise ShapeError(
            f"{path} must hold whole numbers [k], not {index.dtype} {list(index.shape)}."
        )
    index = index.astype(np.int64)
    outside = np.flatnonzero((index < 0) | (index >= n))
    if len(outside):
        row = int(outside[0])
        raise OverlapError(f"Row {row} of {path} is {index[row]}; indices are 0..{n - 1}.")
    values, counts = np.unique(index, return_counts=True)
    if (counts > 1).any():
        raise OverlapError(f"Item {values[counts > 1][0]} appears twice in {name} {path}.")
    return values


def save(path: Path, array: AnyArray) -> None:
    """Write the file, whole or not at all."""
    with replaced(path) as file:
        np.save(file, array, allow_pickle=False)
