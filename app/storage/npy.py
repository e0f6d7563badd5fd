"""Reads users' NumPy files: arrays only, memory-mapped, never code."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def open_npy(path: Path) -> npt.NDArray[Any]:
    """Return the file's array, memory-mapped.

    Raises:
        ValueError: it is no file of `numpy.save`; the message says why.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # noqa: BLE001 - numpy evaluates the header: it raises anything
        raise ValueError(f"{error or type(error).__name__}"[:200].rstrip(".")) from None
    if array.dtype.hasobject or any(type(side) is not int for side in array.shape):
        raise ValueError(f"its header claims the shape {array.shape} of {array.dtype}")
    return array
