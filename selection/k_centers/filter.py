"""A cheap, certain lower bound of distances, which lets greedy k-centers skip most of them.

Every vector is centred, scaled by a power of two and, where that pays, rotated to its leading
principal axes, with the norm of the rest as one more coordinate. By Cauchy-Schwarz the distance of
two such sketches is at most that of the vectors; float32 is enough, since all rounding is bounded.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from selection.arrays import Float32Array, FloatArray, Rows
from selection.errors import LargeValueError

CELLS_PER_BLOCK = 1 << 19  # of float64: 4 MiB, some of them at once
LEAST_WIDTH = 4  # coordinates of a sketch
N_SAMPLED = 1024  # rows that decide on the axes and their number
# An exact float64 distance costs about this many coordinates of the filter, per dimension: measured
# (random access and scalar float64 against a vector unit that four rows share), by whole runs of
# 50,000 x 64 and 200,000 x 512.
COST_OF_EXACT = 150.0
LARGEST_VALUE = 1e150  # squares of larger values overflow float64
UNIT32, UNIT64 = 2.0**-24, 2.0**-53
FAR = 1e15  # in sketch units, where the pool lies within 1: float32 squares of it do not overflow


@dataclass(frozen=True)
class Sketches:
    """Sketches of some vectors: float32 coordinates, [n, K], and shrunk half norms, [n].

    For vectors x and c with sketches (x', h_x) and (c', h_c), in float32 arithmetic of any order:
    |x - c|^2 * scale^2 / 2 >= h_x + h_c - x'.c' - slack. A vector far outside the pool's scale has
    half norm -inf, so that its distance is always computed.
    """

    coordinates: Float32Array
    half_norms: Float32Array


class Projection:
    """Maps vectors to sketches.

    Attributes:
        width: K, coordinates of a sketch.
        squared_scale: squared distances in sketch units = squared distances * squared_scale.
        slack: what underflow may add, in sketch units.
    """

    def __init__(self, features: FloatArray, width: int | None = None) -> None:
        """Fit to `features`, [n, d]; `width` = K overrides the measured choice (d = no rotation).

        The bound holds for any mean and any orthonormal axes, so both come from a sample.

        Raises:
            LargeValueError: squared distances would overflow float64.
        """
        n, d = features.shape
        sample = features[np.linspace(0, n - 1, min(n, N_SAMPLED)).astype(np.int64)]
        self._mean = sample.mean(axis=0, dtype=np.float64)
        centred = sample.astype(np.float64) - self._mean
        largest = largest_value("features", features)
        exponent = -np.ceil(np.log2(2 * largest)) if largest > 0 else 0.0
        self._scale = float(2.0 ** np.clip(exponent, -500, 500))
        # A unit vector's components may overflow float32 nowhere: all sketches are at most sqrt(d).
        axes = np.linalg.eigh((centred * self._scale).T @ (centred * self._scale))[1][:, ::-1]
        self.width = _cheapest_width(centred @ axes, d) if width is None else width
        self._axes = None if self.width >= d else np.ascontiguousarray(axes[:, : self.width - 1])
        self.squared_scale = self._scale**2
        self.slack = (d + 1) * (2.0**-120 + np.finfo(np.float64).tiny * self.squared_scale)
        self._shrink = 1.0 - self._relative_error(d)

    def _relative_error(self, d: int) -> float:
        """Return e such that D^2 / 2 >= (1 - e)(|x'|^2 + |c'|^2) / 2 - x'.c' for computed values.

        Float32: rounding x' and c' moves each by u|x'|, a product of length K errs by K u|x'||c'|,
        the sums by a few u more. Float64: the rotation and, by cancellation under the root, the
        norm of the rest, at most sqrt(4 d u64)|x|; the definition's own rounding, (d + 2) u64.
        """
        rest = 0.0 if self._axes is None else 4.0 * np.sqrt(8.0 * d * UNIT64)
        return 4.0 * (self.width + 16) * UNIT32 + rest + 8.0 * (d + 2) * UNIT64

    def sketch(self, vectors: FloatArray) -> Sketches:
        """Return the sketches of `vectors`, [n, d]; beside them, needs memory for one block.

        `vectors` may lie outside the scale of the features that were fitted.
        """
        coordinates = np.empty((len(vectors), self.width), np.float32)
        half_norms = np.empty(len(vectors), np.float32)
        top = 0
        for block in _blocks(vectors):
            centred = (block.astype(np.float64) - self._mean) * self._scale
            here = slice(top, top + len(block))
            far = _far_rows(centred)
            centred[far] = 0.0
            if self._axes is None:
                coordinates[here] = centred
            else:
                leading = centred @ self._axes
                rest = _squared_norms(centred) - _squared_norms(leading)
                coordinates[here, :-1] = leading
                coordinates[here, -1] = np.sqrt(np.maximum(rest, 0.0))
            shrunk = 0.5 * self._shrink * _squared_norms(coordinates[here].astype(np.float64))
            half_norms[here] = np.nextafter(shrunk.astype(np.float32), np.float32(-np.inf))
            half_norms[top + far] = -np.inf
            top += len(block)
        return Sketches(coordinates, half_norms)


def _cheapest_width(rotated: npt.NDArray[np.float64], d: int) -> int:
    """Return K in 4..d with the least work on a sample, [s, d], that is rotated to its axes.

    Half of the sample are taken as centres. Work per pair: K coordinates, and an exact distance
    where the bound is below the distance to the nearest centre.
    """
    centres, rows = rotated[::2], rotated[1::2]
    if d <= 8 or len(rows) < 8:
        return d
    squared_rest = [np.square(part).sum(axis=1) for part in (rows, centres)]
    products = np.zeros((len(rows), len(centres)))
    nearest = np.full(len(rows), np.inf)
    norms = squared_rest[0][:, None] + squared_rest[1]
    nearest = (norms - 2.0 * (rows @ centres.T)).min(axis=1)
    costs, done = {d: float(d)}, 0
    for q in (3, 7, 11, 15, 23, 31, 47, 63, 95, 127, 191, 255):
        if q + 1 >= min(costs.values()):  # the coordinates alone cost more than the best
            break
        products += rows[:, done:q] @ centres[:, done:q].T
        rests = [
            np.sqrt(np.maximum(np.square(part[:, q:]).sum(axis=1), 0)) for part in (rows, centres)
        ]
        bounds = norms - 2.0 * (products + rests[0][:, None] * rests[1])
        share = float((bounds < nearest[:, None]).mean())
        costs[q + 1] = q + 1 + COST_OF_EXACT * d * share
        done = q
    return min(costs, key=lambda width: (costs[width], width))


def _far_rows(centred: npt.NDArray[np.float64]) -> Rows:
    """Return the rows whose sketch would overflow: none of the features fitted, so looks first."""
    if max(centred.max(), -centred.min()) <= FAR:
        return np.empty(0, np.int64)
    return np.flatnonzero(np.abs(centred).max(axis=1) > FAR)


def largest_value(name: str, features: FloatArray) -> float:
    """Return the largest magnitude in `features`, [n, d]; 0 without a row.

    Raises:
        LargeValueError: squared distances would overflow float64; says `name` and row.
    """
    largest, row = 0.0, 0
    for top, block in enumerate(_blocks(features)):
        sizes = np.abs(block).max(axis=1)
        if sizes.max() > largest:
            largest, row = float(sizes.max()), top * _block_height(features) + int(sizes.argmax())
    if largest > LARGEST_VALUE:
        raise LargeValueError(name, row, largest)
    return largest


def _squared_norms(array: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.einsum("ij,ij->i", array, array)


def _blocks(array: FloatArray) -> "list[FloatArray]":
    height = _block_height(array)
    return [array[top : top + height] for top in range(0, len(array), height)]


def _block_height(array: FloatArray) -> int:
    return max(1, CELLS_PER_BLOCK // array.shape[1])
