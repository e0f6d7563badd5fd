"""Readers of data sets in their original formats."""

import numpy as np
import numpy.typing as npt

from models.data.arrays import Images


def read_digits() -> tuple[Images, npt.NDArray[np.int64]]:
    """Return scikit-learn's bundled digits: 1,797 real images [8, 8, 1] and their classes 0..9.

    Grey levels 0..16 become 0..255. Source: Alpaydin & Kaynak 1998, UCI, test part.
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415 - heavy, used by few

    data = load_digits()
    pixels = np.rint(data.images * (255 / 16)).astype(np.uint8)[..., None]
    return Images(pixels), data.target.astype(np.int64)
