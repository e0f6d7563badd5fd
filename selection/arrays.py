"""Types of the arrays that strategies take and return."""

from typing import Any

import numpy as np
import numpy.typing as npt

AnyArray = npt.NDArray[Any]
Float32Array = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.floating]
"""Probabilities or features, float32 or float64."""
IntArray = npt.NDArray[np.int64]
"""Class indices, counts, positions in the pool."""
Rows = npt.NDArray[np.int64]
"""Positions in the arrays at hand."""
Scores = npt.NDArray[np.float64]
"""A value per row, higher = sooner."""
