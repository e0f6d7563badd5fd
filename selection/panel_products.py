"""Products of float32 sketches with a panel of others: inner loops of greedy k-centers."""

import numpy as np
from numba import njit

from selection.arrays import Float32Array, Rows

PANEL = 128
LANES = 4  # rows whose products share every load of a panel: 2.3 times one row's speed

compiled = njit(cache=True, nogil=True)
# The filter's products may be fused and reordered: its error bound covers every order.
compiled_any_order = njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})


@compiled_any_order
def add_products(sketch: Float32Array, panel: Float32Array, out: Float32Array) -> None:
    """Add the products of one sketch, [K], with a panel's columns, [K, w], to `out`, [w]."""
    n_coordinates, width = panel.shape
    k = 0
    while k + 4 <= n_coordinates:
        z0, z1, z2, z3 = sketch[k], sketch[k + 1], sketch[k + 2], sketch[k + 3]
        p0, p1, p2, p3 = panel[k], panel[k + 1], panel[k + 2], panel[k + 3]
        for j in range(width):
            out[j] += (z0 * p0[j] + z1 * p1[j]) + (z2 * p2[j] + z3 * p3[j])
        k += 4
    while k < n_coordinates:
        z0, p0 = sketch[k], panel[k]
        for j in range(width):
            out[j] += z0 * p0[j]
        k += 1


@compiled_any_order
def fill_lanes(
    rows: Rows,
    coordinates: Float32Array,
    panel: Float32Array,
    norms: Float32Array,
    out: Float32Array,
) -> None:
    """Set `out` to the products of LANES rows' sketches with a panel's columns, less the norms.

    Args:
        rows: [LANES].
        coordinates: of all rows, [n, K].
        panel: flat, [K * PANEL].
        norms: half norms of the columns, [PANEL].
        out: flat, [LANES * PANEL].

    The arrays are flat and the places unsigned, so that the compiler sees distances between them
    that are constant and no place that counts from the end: else it gives up on vectors.
    """
    width, n_coordinates = np.uint64(PANEL), coordinates.shape[1]
    x, y, z, w = (
        coordinates[rows[0]],
        coordinates[rows[1]],
        coordinates[rows[2]],
        coordinates[rows[3]],
    )
    two, three = np.uint64(2) * width, np.uint64(3) * width
    odd = n_coordinates % 4
    for j in range(width):
        start = -norms[j]
        out[j] = start
        out[width + j] = start
        out[two + j] = start
        out[three + j] = start
    for k in range(odd):
        x0, y0, z0, w0 = x[k], y[k], z[k], w[k]
        here = np.uint64(k) * width
        for j in range(width):
            p0 = panel[here + j]
            out[j] += x0 * p0
            out[width + j] += y0 * p0
            out[two + j] += z0 * p0
            out[three + j] += w0 * p0
    for k in range(odd, n_coordinates, 4):
        x0, x1, x2, x3 = x[k], x[k + 1], x[k + 2], x[k + 3]
        y0, y1, y2, y3 = y[k], y[k + 1], y[k + 2], y[k + 3]
        z0, z1, z2, z3 = z[k], z[k + 1], z[k + 2], z[k + 3]
        w0, w1, w2, w3 = w[k], w[k + 1], w[k + 2], w[k + 3]
        here = np.uint64(k) * width
        for j in range(width):
            p0, p1 = panel[here + j], panel[here + width + j]
            p2, p3 = panel[here + two + j], panel[here + three + j]
            out[j] += x0 * p0 + x1 * p1 + x2 * p2 + x3 * p3
            out[width + j] += y0 * p0 + y1 * p1 + y2 * p2 + y3 * p3
            out[two + j] += z0 * p0 + z1 * p1 + z2 * p2 + z3 * p3
            out[three + j] += w0 * p0 + w1 * p1 + w2 * p2 + w3 * p3


@compiled
def reaches(values: Float32Array, threshold: np.float32) -> bool:
    """Return whether any value is at least `threshold`; counts, as a maximum takes no vectors."""
    n_reached = np.int32(0)
    for j in range(values.shape[0]):
        n_reached += np.int32(values[j] >= threshold)
    return bool(n_reached > 0)
