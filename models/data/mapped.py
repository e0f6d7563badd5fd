"""Rows of a memory map, read only when asked for: a training set may be larger than memory."""

from typing import cast

import numpy as np

from models.data.types import AnyArray, Rows

COPIED_BYTES = 2**28  # rows of a map up to this size are read at once, for speed


class MappedRows:
    """An array of images: shape, dtype, length, rows by index or slice, a copy.

    Args:
        base: the map, [n, ...].
        rows: positions in it, [m]; any order.
    """

    def __init__(self, base: AnyArray, rows: Rows) -> None:
        self.base, self.rows = base, rows
        self.shape, self.dtype = (len(rows), *base.shape[1:]), base.dtype

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def nbytes(self) -> int:
        """Bytes of these rows."""
        return len(self) * self.base[:1].nbytes

    def __getitem__(self, key: int | slice | Rows) -> AnyArray:
        """Return rows of these rows, read from the map."""
        return np.asarray(self.base[self.rows[key]])

    def copy(self) -> AnyArray:
        """Return all rows, read into memory."""
        return self[:]


def take_rows(array: AnyArray, rows: Rows) -> AnyArray:
    """Return these rows in their order: a copy, of many rows of a map `MappedRows` in its place."""
    base, rows = array, np.asarray(rows, np.int64)
    if isinstance(array, MappedRows):
        base, rows = array.base, array.rows[rows]
    found = MappedRows(base, rows)
    if isinstance(base, np.memmap) and found.nbytes > COPIED_BYTES:
        return cast("AnyArray", found)
    return found.copy()


def parts_of(array: AnyArray) -> tuple[AnyArray, ...]:
    """Return the arrays that an array consists of."""
    return (array.base, array.rows) if isinstance(array, MappedRows) else (array,)
