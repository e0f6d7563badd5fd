"""Facility location: items that represent all others, by lazy greedy without an n x n matrix.

f(S) = sum over all items i of max over j in S of (D - |x_i - x_j|^2), with D above every squared
distance. Greedy picks the item with the largest gain; gains only fall as S grows (f is
submodular), so an old gain is an upper bound and most are never computed again.
Float32 gives bounds that are certain, float64 the gains of the few items that they leave.
Source: Minoux (1978) for the lazy greedy; Wei, Iyer, Bilmes (2015) for its use here.
"""

import numpy as np
from numba import njit, prange

from selection.arrays import FloatArray, Rows, Scores
from selection.k_centers.filter import largest_value
from selection.types import Ranking, Signals, given

BOUNDED = 64  # candidates whose float32 bounds are computed in one pass over the items
EXACT = 4  # candidates whose float64 gains are
FITTING = 1e10  # largest values between this and its inverse have squares in float32
FARTHEST = 1e100  # where items lie within FITTING
N_PARTS = 64  # of the items; their sums are added in order, whatever the number of threads


def rank(signals: Signals, budget: int, _rng: np.random.Generator) -> Ranking:
    """Return the ranking by `facility_location`."""
    return Ranking(*facility_location(given(signals.features), signals.labeled_features, budget))


def facility_location(
    features: FloatArray, labeled_features: FloatArray | None, budget: int
) -> tuple[Rows, Scores]:
    """Return (rows in order of picking, [b]; gain of each when picked, [b]).

    The picks are those of plain greedy, the lowest row on ties. Labeled items count as selected;
    they are not among the items to be represented. Memory is O(n).

    Args:
        features: of the pool, [n, d].
        labeled_features: [m, d], or None.
        budget: b <= n (not checked).

    Raises:
        LargeValueError: squared distances would overflow float64.
    """
    scale = _scale(features)
    items = np.ascontiguousarray(np.asarray(features if scale == 1.0 else features * scale))
    norms = _squared_norms(items)
    nearest = _start(items, norms, labeled_features, scale)
    rows, gains = np.empty(budget, np.int64), np.empty(budget)
    search = Search(items, norms, nearest)
    for place in range(budget):
        row = search.largest_gain()
        if search.upper[row] <= 0.0:
            rows[place:] = np.flatnonzero(search.upper >= 0.0)[: budget - place]
            gains[place:] = 0.0
            break
        rows[place], gains[place] = row, search.upper[row]
        _lower(nearest, items, norms, items[row].astype(np.float64), norms[row])
        search.upper[row] = -1.0
    # Rounding may lift a gain by its last bit.
    return rows, np.minimum.accumulate(gains) / scale**2


def _scale(features: FloatArray) -> float:
    """Return the factor by which squares fit float32: 1, or a power of two, which is exact.

    A scaled copy of the items is only made where one is needed.
    """
    largest = largest_value("features", features)
    if largest == 0.0 or 1.0 / FITTING <= largest <= FITTING:
        return 1.0
    limit = 100 if features.dtype == np.float32 else 500
    return float(2.0 ** np.clip(-np.ceil(np.log2(largest)), -limit, limit))


class Search:
    """Finds the largest gain; `upper` are bounds of the gains, [n], -1 for picked rows."""

    def __init__(self, items: FloatArray, norms: Scores, nearest: Scores) -> None:
        self.items, self.norms, self.nearest = items, norms, nearest
        self.upper = np.full(len(items), np.inf)
        self._items32 = items.astype(np.float32, copy=False)
        # What float32 may add to a squared distance by the norms, d products and roundings.
        self._error = 8.0 * (items.shape[1] + 8) * 2.0**-24 * float(norms.max())

    def largest_gain(self) -> int:
        """Return the row with the largest gain, the lowest on ties; its `upper` is that gain."""
        upper = self.upper
        is_exact = np.zeros(len(upper), bool)
        is_bounded = np.zeros(len(upper), bool)
        while True:
            row = int(upper.argmax())
            if upper[row] <= 0.0 or (is_exact[row] and not (upper == upper[row])[~is_exact].any()):
                return row
            if is_exact[row] or is_bounded[row]:
                some = _highest(np.where(is_exact, -1.0, upper), EXACT)
                upper[some] = gains_of(some, self.items, self.norms, self.nearest)
                is_exact[some] = True
            else:
                some = _highest(np.where(is_bounded | is_exact, -1.0, upper), BOUNDED)
                upper[some] = np.minimum(upper[some], self.bounds_of(some))
                is_bounded[some] = True

    def bounds_of(self, rows: Rows) -> Scores:
        """Return upper bounds of the gains of rows, [k <= BOUNDED]."""
        lanes = np.zeros((self.items.shape[1], BOUNDED), np.float32)
        lanes[:, : len(rows)] = self._items32[rows].T
        half_norms = np.zeros(BOUNDED, np.float32)
        half_norms[: len(rows)] = 0.5 * self.norms[rows]
        sums = np.zeros((N_PARTS, BOUNDED))
        _sum_bounds(sums, lanes, half_norms, self._items32, self.norms, self.nearest, self._error)
        return sums.sum(axis=0)[: len(rows)]


def _highest(values: Scores, n_wanted: int) -> Rows:
    """Return the rows of the highest values >= 0, ascending."""
    place = max(len(values) - n_wanted, 0)
    rows = np.argpartition(values, place)[place:]
    return np.sort(rows[values[rows] >= 0.0])


def _start(items: FloatArray, norms: Scores, labeled: FloatArray | None, scale: float) -> Scores:
    """Return each item's squared distance to its nearest labeled item, or one above all.

    `items` are scaled, `labeled` are not yet.
    """
    above_all = 4.0 * float(norms.max()) + 1.0
    nearest = np.full(len(items), above_all)
    for centre in () if labeled is None else labeled:
        # A clipped centre is farther than `above_all` either way, and its square does not overflow.
        wide = np.clip(centre.astype(np.float64) * scale, -FARTHEST, FARTHEST)
        _lower(nearest, items, norms, wide, float(wide @ wide))
    return nearest


def gains_of(candidates: Rows, items: FloatArray, norms: Scores, nearest: Scores) -> Scores:
    """Return the gain in f of each candidate row, [k].

    Equal rows get equal bits, whatever their place.
    """
    gains = np.empty(len(candidates))
    for start in range(0, len(candidates), EXACT):
        rows = candidates[start : start + EXACT]
        lanes = np.zeros((items.shape[1], EXACT))
        lanes[:, : len(rows)] = items[rows].T
        lane_norms = np.zeros(EXACT)
        lane_norms[: len(rows)] = norms[rows]
        sums = np.zeros((N_PARTS, EXACT))
        _sum_gains(sums, lanes, lane_norms, items, norms, nearest)
        gains[start : start + EXACT] = sums.sum(axis=0)[: len(rows)]
    return gains


def _squared_norms(array: FloatArray) -> Scores:
    return np.einsum("ij,ij->i", array, array, dtype=np.float64)


@njit(cache=True, nogil=True, parallel=True, fastmath={"contract", "nsz"})
def _sum_gains(  # noqa: PLR0913, PLR0917 - compiled, which takes arrays only
    sums: Scores,
    lanes: Scores,
    lane_norms: Scores,
    items: FloatArray,
    norms: Scores,
    nearest: Scores,
) -> None:
    """Add to `sums`, [N_PARTS, EXACT], what each lane's candidate would add over a part's items."""
    n = items.shape[0]
    height = (n + N_PARTS - 1) // N_PARTS
    for part in prange(N_PARTS):
        products = np.empty(EXACT)
        for row in range(part * height, min(n, (part + 1) * height)):
            products[:] = 0.0
            for k in range(items.shape[1]):
                value = np.float64(items[row, k])
                for lane in range(EXACT):
                    products[lane] += value * lanes[k, lane]
            for lane in range(EXACT):
                squared = max(norms[row] + lane_norms[lane] - 2.0 * products[lane], 0.0)
                sums[part, lane] += max(nearest[row] - squared, 0.0)


@njit(cache=True, nogil=True, parallel=True, fastmath={"contract", "reassoc", "nsz"})
def _sum_bounds(  # noqa: PLR0913, PLR0917 - numba takes no objects
    sums: Scores,
    lanes: FloatArray,
    half_norms: FloatArray,
    items: FloatArray,
    norms: Scores,
    nearest: Scores,
    error: float,
) -> None:
    """Add to `sums`, [N_PARTS, BOUNDED], bounds of what each lane would add over a part's items."""
    n, d = items.shape
    height = (n + N_PARTS - 1) // N_PARTS
    for part in prange(N_PARTS):
        near, total = np.empty(BOUNDED, np.float32), sums[part]
        for row in range(part * height, min(n, (part + 1) * height)):
            near[:] = -half_norms
            item = items[row]
            for k in range(0, d - 3, 4):
                x0, x1, x2, x3 = item[k], item[k + 1], item[k + 2], item[k + 3]
                c0, c1, c2, c3 = lanes[k], lanes[k + 1], lanes[k + 2], lanes[k + 3]
                for lane in range(BOUNDED):
                    near[lane] += (x0 * c0[lane] + x1 * c1[lane]) + (x2 * c2[lane] + x3 * c3[lane])
            for k in range(d - d % 4, d):
                for lane in range(BOUNDED):
                    near[lane] += item[k] * lanes[k, lane]
            room = nearest[row] - norms[row] + error
            for lane in range(BOUNDED):
                total[lane] += max(room + 2.0 * np.float64(near[lane]), 0.0)


@njit(cache=True, nogil=True, parallel=True, fastmath={"contract", "nsz"})
def _lower(
    nearest: Scores, items: FloatArray, norms: Scores, centre: Scores, centre_norm: float
) -> None:
    """Lower the squared distances, [n], to those to a new centre, [d]."""
    for row in prange(items.shape[0]):
        product = 0.0
        for k in range(items.shape[1]):
            product += np.float64(items[row, k]) * centre[k]
        squared = max(norms[row] + centre_norm - 2.0 * product, 0.0)
        nearest[row] = min(nearest[row], squared)
