"""Rows of arrays that may be memory-mapped files larger than memory."""

import tempfile

import numpy as np

from selection.arrays import AnyArray, IntArray
from selection.memory import available_memory

ROWS_AT_ONCE = 65_536
SHARE_OF_MEMORY = 0.125  # of the free bytes that a copy may take; a larger one goes to a file


def take_rows(array: AnyArray, index: IntArray) -> AnyArray:
    """Return rows of an array: a view of adjoining ones, else a copy, of a large map in a file.

    The file has no name and vanishes with the copy.

    Args:
        array: [n, ...], maybe memory-mapped.
        index: ascending, [k].
    """
    if len(index) and index[-1] - index[0] + 1 == len(index):
        return array[index[0] : index[-1] + 1]
    size_bytes = len(index) * array[:1].nbytes
    if not isinstance(array, np.memmap) or size_bytes <= SHARE_OF_MEMORY * available_memory():
        return array[index]
    with tempfile.TemporaryFile(prefix="svp-rows-") as file:
        copy = np.memmap(file, array.dtype, "w+", shape=(len(index), *array.shape[1:]))
    for start in range(0, len(index), ROWS_AT_ONCE):
        part = index[start : start + ROWS_AT_ONCE]
        copy[start : start + len(part)] = array[part]
    return copy
