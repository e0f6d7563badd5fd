"""A map: features of items, projected onto the plane in which they differ most."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA

from selection.arrays import FloatArray


@dataclass(frozen=True)
class FeatureMap:
    """Places of items on a plane.

    Attributes:
        xy: [n, 2] float32, within -1..1; the longer axis fills it.
        explained: share of the features' variance along x and along y.
    """

    xy: npt.NDArray[np.float32]
    explained: tuple[float, float]


def project_features(features: FloatArray) -> FeatureMap:
    """Return the principal components of features, [n, d], n at least 2, as a map.

    The same features give the same map: signs are fixed by scikit-learn.
    """
    x = np.asarray(features, np.float32)
    if x.shape[1] < 2:
        x = np.column_stack([x, np.zeros(len(x), np.float32)])
    if (x == x[0]).all():
        return FeatureMap(np.zeros((len(x), 2), np.float32), (0.0, 0.0))
    pca = PCA(n_components=2, svd_solver="covariance_eigh")
    xy = pca.fit_transform(x)
    reach = float(np.abs(xy).max()) or 1.0
    first, second = pca.explained_variance_ratio_
    return FeatureMap((xy / reach).astype(np.float32), (float(first), float(second)))
