"""Clusters of features, for the strategies that spread a batch over them."""

import numpy as np

from selection.types import FloatArray, IntArray

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
