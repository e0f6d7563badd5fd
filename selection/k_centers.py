"""Greedy k-centers with a running minimum instead of a distance matrix.

Source: Selection via Proxy, section 3.1 (after Sener & Savarese 2018). Distances are Euclidean in
float64 by direct differences; ties go to the lowest row. The published code keeps a matrix of
(labeled + budget) x pool; only its running minimum over rows is needed.
"""

import numpy as np
import numpy.typing as npt

from selection.types import FloatArray

Rows = npt.NDArray[np.int64]
Radii = npt.NDArray[np.float64]


def greedy_k_centers(
    features: FloatArray,
    labeled_features: FloatArray | None,
    budget: int,
    rng: np.random.Generator,
) -> tuple[Rows, Radii]:
    """Return (rows in order of picking, [b]; distance to the nearest centre at picking, [b]).

    Args:
        features: of the pool, [n, d].
        labeled_features: the first centres, [m, d]; without any, the first pick is drawn from `rng`
            and its distance is inf.
        budget: b <= n.
        rng: used only where there is no first centre.

    Extra memory is O(n d): a transposed float64 copy of the features.
    """
    columns = np.ascontiguousarray(features.T, dtype=np.float64)
    nearest = np.full(columns.shape[1], np.inf)
    for centre in np.asarray(labeled_features if labeled_features is not None else [], np.float64):
        np.minimum(nearest, _squared_distances(columns, centre), out=nearest)
    has_centre = bool(np.isfinite(nearest).all())
    rows = np.empty(budget, np.int64)
    radii = np.empty(budget, np.float64)
    for pick in range(budget):
        is_drawn = pick == 0 and not has_centre
        row = int(rng.integers(len(nearest))) if is_drawn else int(nearest.argmax())
        rows[pick], radii[pick] = row, np.sqrt(nearest[row])
        np.minimum(nearest, _squared_distances(columns, columns[:, row]), out=nearest)
        # Below any distance: a picked row stays out even where duplicates have distance 0.
        nearest[row] = -1.0
    return rows, radii


def _squared_distances(columns: Radii, centre: Radii) -> Radii:
    total = np.zeros(columns.shape[1])
    for column, value in zip(columns, centre, strict=True):
        difference = column - value
        total += difference * difference
    return total
