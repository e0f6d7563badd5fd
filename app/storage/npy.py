"""Reading NumPy files of users: arrays only, memory-mapped, never code."""

import tokenize
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

# What numpy raises for files that are cut off, empty or something else.
UNREADABLE = (ValueError, EOFError, OSError, OverflowError, SyntaxError, tokenize.TokenError)


def open_npy(path: Path) -> npt.NDArray[Any]:
    """Return the file's array, memory-mapped.

    Raises:
        ValueError: it is no file of `numpy.save`; the message says why.
    """
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except UNREADABLE as error:
        raise ValueError(f"{error or type(error).__name__}".rstrip(".")) from None
