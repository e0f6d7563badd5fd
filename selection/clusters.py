"""Clusters of features, for the strategies that spread a batch over them."""

import numpy as np
import numpy.typing as npt

from selection.arrays import FloatArray, IntArray

# Up to here all rows are seen in every step, as in the authors' code of TypiClust.
FEW_CLUSTERS = 50
N_STARTS = 1


def cluster(features: FloatArray, n_clusters: int, rng: np.random.Generator) -> IntArray:
    """Return the k-means cluster of each row, [n, d] -> [n], numbered from 0 without gaps.

    There are fewer than `n_clusters` where fewer rows differ.
    """
    distinct = np.unique(features, axis=0) if len(features) <= n_clusters * 20 else None
    if distinct is not None and len(distinct) <= n_clusters:
        return np.unique(features, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    from sklearn.cluster import KMeans, MiniBatchKMeans  # noqa: PLC0415 - a second to import

    seed = int(rng.integers(2**31))
    kind = KMeans if n_clusters <= FEW_CLUSTERS else MiniBatchKMeans
    fitted = kind(n_clusters, n_init=N_STARTS, random_state=seed).fit(features)
    return np.unique(fitted.labels_, return_inverse=True)[1].astype(np.int64)


def unit_rows(features: FloatArray) -> npt.NDArray[np.float64]:
    """Return each row at length 1, [n, d]; a row of zeros stays as it is."""
    values = np.asarray(features, np.float64)
    largest = np.abs(values).max(axis=1, keepdims=True, initial=0.0)
    values = values / np.where(largest > 0, largest, 1.0)  # squares neither overflow nor vanish
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    scaled: npt.NDArray[np.float64] = values / np.where(norms > 0, norms, 1.0)
    return scaled
