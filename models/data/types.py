"""Types of the arrays that networks take and return."""

from typing import Any

import numpy as np
import numpy.typing as npt

AnyArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
"""Class indices, counts, positions."""
Rows = npt.NDArray[np.int64]
"""Positions in the array at hand."""
