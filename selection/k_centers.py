"""Greedy k-centers: the float64 definition's picks, most distances ruled out by a cheap bound.

Source: Selection via Proxy, section 3.1 (after Sener and Savarese 2018). Differences: the published
code keeps a (labeled + budget) x pool matrix, here only its running minimum is kept; squared
distances are compared, so no tie is made by rounding a root.
"""

import numpy as np
import numpy.typing as npt

from selection.types import FloatArray, Rows, Scores

CENTRES_PER_CHUNK = 256
CELLS_PER_BLOCK = 1 << 18
PAIRS_PER_BLOCK = 1 << 10


def greedy_k_centers(
    features: FloatArray,
    labeled_features: FloatArray | None,
    budget: int,
    rng: np.random.Generator,
) -> tuple[Rows, Scores]:
    """Return (rows in order of picking, [b]; distance to the nearest centre when picked, [b]).

    Each pick is the row farthest from all centres, the lowest such row on ties. Distances are
    Euclidean, float64, by direct differences. Extra memory is O(n), whatever m and b are.

    Args:
        features: of the pool, [n, d], float32 or float64, finite (not checked).
        labeled_features: the first centres, [m, d]. With none, the first pick is drawn from `rng`;
            its distance is then given as that of the row farthest from it, to stay finite.
        budget: b <= n (not checked).
        rng: used only where there is no labeled row.
    """
    nearest = NearestCentre(features)
    rows = np.empty(budget, np.int64)
    squared_radii = np.empty(budget, np.float64)
    if labeled_features is not None:
        nearest.add(labeled_features)
    is_drawn = labeled_features is None or not len(labeled_features)
    for pick in range(budget):
        drawn_now = is_drawn and pick == 0
        row = int(rng.integers(len(features))) if drawn_now else int(nearest.squared.argmax())
        rows[pick], squared_radii[pick] = row, nearest.squared[row]
        nearest.add(features[row : row + 1])
        if drawn_now:
            squared_radii[0] = nearest.squared.max()
        # Below any distance: a picked row stays out even where its duplicates have distance 0.
        nearest.squared[row] = -np.inf
    return rows, np.sqrt(squared_radii)


class NearestCentre:
    """Squared float64 distance of each row to its nearest centre; starts at inf.

    A matrix product in the features' own precision bounds |x - c|^2 = |x|^2 + |c|^2 - 2 x.c from
    below; only pairs whose bound is under the running minimum are computed by direct differences.
    With unit round-off u, the product errs by at most d u |x||c| and the norms by d u each, so
    2 (d + 8) eps (|x|^2 + |c|^2) is more than all of it; products that underflow add d tiny.
    """

    squared: npt.NDArray[np.float64]

    def __init__(self, features: FloatArray) -> None:
        n, d = features.shape
        self.features = features
        self.squared = np.full(n, np.inf)
        limits = np.finfo(features.dtype)
        self._keep = 1.0 - 2.0 * (d + 8) * float(limits.eps)
        self._underflow = 4.0 * (d + 1) * float(limits.tiny)
        self._norms = self._keep * _squared_norms(features)

    def add(self, centres: FloatArray) -> None:
        """Lower the distances to those of `centres`, [k, d], where these are nearer."""
        for start in range(0, len(centres), CENTRES_PER_CHUNK):
            chunk = centres[start : start + CENTRES_PER_CHUNK]
            height = CELLS_PER_BLOCK // len(chunk)
            for top in range(0, len(self.features), height):
                self._add_to_block(slice(top, top + height), chunk)

    def _add_to_block(self, block: slice, centres: FloatArray) -> None:
        rows, squared = self.features[block], self.squared[block]
        norms = self._keep * _squared_norms(centres) - self._underflow
        # Products that overflow leave inf of either sign or NaN: these go the exact way, below.
        with np.errstate(over="ignore", invalid="ignore"):
            bounds = self._norms[block, None] + norms - 2.0 * (rows @ centres.T.astype(rows.dtype))
        if len(centres) > 1:
            # The likely nearest centre first: its exact distance rules most of the others out.
            likely = bounds.argmin(axis=1)
            _lower(squared, rows, centres, np.arange(len(rows)), likely)
        is_ruled_out = (bounds >= squared[:, None]) & (bounds < np.inf)
        _lower(squared, rows, centres, *np.nonzero(~is_ruled_out))


def _lower(squared: Scores, rows: FloatArray, centres: FloatArray, left: Rows, right: Rows) -> None:
    """Lower `squared` in place to the exact distances of the pairs (left row, right centre)."""
    for start in range(0, len(left), PAIRS_PER_BLOCK):
        i, j = left[start : start + PAIRS_PER_BLOCK], right[start : start + PAIRS_PER_BLOCK]
        difference = np.subtract(rows[i], centres[j], dtype=np.float64)
        np.minimum.at(squared, i, np.square(difference).sum(axis=1))


def _squared_norms(array: FloatArray) -> Scores:
    return np.einsum("ij,ij->i", array, array, dtype=np.float64)
