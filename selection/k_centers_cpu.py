"""The loops of greedy k-centers on the CPU: compiled by numba, all cores, state updated in place.

Sketches are the float32 stand-ins of selection.k_centers_filter. Those of the centres come in
panels of PANEL columns that stay in the cache while items pass by.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from selection.types import FloatArray, Rows, Scores

Float32Array = npt.NDArray[np.float32]

PANEL = 128
ITEMS_PER_CHUNK = 64
PICKED = -1.0  # bound of a picked row: below every distance
LEAF = 128  # longest run that numpy adds without halving
ADD = -1  # in place of a length: add the two newest sums

compiled = njit(cache=True, nogil=True)
# The filter's products may be fused and reordered: its error bound covers every order.
compiled_any_order = njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
compiled_parallel = njit(cache=True, nogil=True, parallel=True)


class Problem(NamedTuple):
    """What stays: vectors and their sketches.

    Attributes:
        features: [n, d].
        labeled: the first centres, [m, d].
        coordinates: of the rows' sketches, [n, K].
        half_norms: of the rows' sketches, [n].
        squared_scale: sketch units per squared distance.
        slack: what underflow may add, in sketch units.
    """

    features: FloatArray
    labeled: FloatArray
    coordinates: Float32Array
    half_norms: Float32Array
    squared_scale: float
    slack: float


class State(NamedTuple):
    """What changes. Centre c is `labeled[c]` for c < m, else `features[picks[c - m]]`.

    Attributes:
        picks: rows in order of picking, [b].
        squared_radii: squared distance of each pick to its nearest centre, [b].
        bounds: upper bound of each row's squared distance to the centres, [n]; PICKED if picked.
        counts: how many centres the bound has seen, [n].
        panels: coordinates of the centres' sketches, [n_panels, K, PANEL].
        panel_norms: their half norms, [n_panels, PANEL]; inf in empty places: never near.
    """

    picks: Rows
    squared_radii: Scores
    bounds: Scores
    counts: npt.NDArray[np.int32]
    panels: Float32Array
    panel_norms: Float32Array


@compiled
def _sum_of_squares_leaf(x: FloatArray, c: FloatArray, start: int, n: int) -> float:
    if n < 8:
        total = 0.0
        for j in range(start, start + n):
            total += (np.float64(x[j]) - np.float64(c[j])) ** 2
        return total
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = 0.0
    whole = start + n - n % 8
    for j in range(start, whole, 8):
        a0 += (np.float64(x[j]) - np.float64(c[j])) ** 2
        a1 += (np.float64(x[j + 1]) - np.float64(c[j + 1])) ** 2
        a2 += (np.float64(x[j + 2]) - np.float64(c[j + 2])) ** 2
        a3 += (np.float64(x[j + 3]) - np.float64(c[j + 3])) ** 2
        a4 += (np.float64(x[j + 4]) - np.float64(c[j + 4])) ** 2
        a5 += (np.float64(x[j + 5]) - np.float64(c[j + 5])) ** 2
        a6 += (np.float64(x[j + 6]) - np.float64(c[j + 6])) ** 2
        a7 += (np.float64(x[j + 7]) - np.float64(c[j + 7])) ** 2
    total = ((a0 + a1) + (a2 + a3)) + ((a4 + a5) + (a6 + a7))
    for j in range(whole, start + n):
        total += (np.float64(x[j]) - np.float64(c[j])) ** 2
    return total


@compiled
def squared_distance(x: FloatArray, c: FloatArray) -> float:
    """Return sum((x - c)^2) with the bits of numpy's float64 sum.

    That is numpy's pairwise order: halves down to 128, then eight running sums. A stack stands for
    the recursion, which numba 0.68 cannot load from its cache (segmentation fault).
    """
    d = x.shape[0]
    if d <= LEAF:
        return _sum_of_squares_leaf(x, c, 0, d)
    starts, lengths, sums = np.empty(64, np.int64), np.empty(64, np.int64), np.empty(32)
    starts[0], lengths[0] = 0, d
    n_parts, n_sums = 1, 0
    while n_parts:
        n_parts -= 1
        start, n = starts[n_parts], lengths[n_parts]
        if n == ADD:
            n_sums -= 1
            sums[n_sums - 1] += sums[n_sums]
        elif n <= LEAF:
            sums[n_sums] = _sum_of_squares_leaf(x, c, start, n)
            n_sums += 1
        else:
            half = n // 2
            half -= half % 8
            lengths[n_parts] = ADD
            starts[n_parts + 1], lengths[n_parts + 1] = start + half, n - half
            starts[n_parts + 2], lengths[n_parts + 2] = start, half
            n_parts += 3
    return sums[0]


@compiled
def _distance_to_centre(x: FloatArray, centre: int, problem: Problem, state: State) -> float:
    m = problem.labeled.shape[0]
    if centre < m:
        return squared_distance(x, problem.labeled[centre])
    return squared_distance(x, problem.features[state.picks[centre - m]])


@compiled_any_order
def _add_products(sketch: Float32Array, panel: Float32Array, out: Float32Array) -> None:
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
def _largest(values: Float32Array) -> np.float32:
    largest = values[0]
    for j in range(values.shape[0]):
        largest = max(largest, values[j])
    return largest


@compiled
def _threshold(row: int, bound: float, problem: Problem) -> np.float32:
    """Return what a product less the centre's half norm must reach for the centre to be nearer."""
    half_norm = np.float64(problem.half_norms[row])
    exact = half_norm - 0.5 * bound * problem.squared_scale - problem.slack
    rounded = np.float32(exact)
    return rounded if rounded <= exact else np.nextafter(rounded, np.float32(-np.inf))


@compiled
def _lower_bound(
    row: int, near: Float32Array, start: int, first: int, last: int, problem: Problem, state: State
) -> None:
    """Lower one bound by the centres start + (first..last), where `near` reaches the threshold.

    The likely nearest goes first: its distance rules most of the others out.
    """
    x, bound = problem.features[row], state.bounds[row]
    likely = first + int(np.argmax(near[first:last]))
    if near[likely] < _threshold(row, bound, problem):
        return
    bound = min(bound, _distance_to_centre(x, start + likely, problem, state))
    threshold = _threshold(row, bound, problem)
    for j in range(first, last):
        if near[j] >= threshold and j != likely:
            distance = _distance_to_centre(x, start + j, problem, state)
            if distance < bound:
                bound = distance
                threshold = _threshold(row, bound, problem)
    state.bounds[row] = bound


@compiled_parallel
def refresh(
    block: Rows, tau: float, n_centres: int, problem: Problem, state: State, n_threads: int
) -> None:
    """Bring the rows of `block` up to date with all centres, or until they fall under `tau`.

    Args:
        block: rows whose bound is at least tau, sorted by counts, so that the rows of a chunk need
            about the same panels.
        tau: squared distance.
        n_centres: how many centres there are.
        problem: see there.
        state: bounds are lowered and counts raised in place.
        n_threads: how many threads take turns with the chunks.
    """
    n_chunks = (len(block) + ITEMS_PER_CHUNK - 1) // ITEMS_PER_CHUNK
    bounds, counts = state.bounds, state.counts
    for thread in prange(n_threads):
        near = np.empty(PANEL, np.float32)
        for chunk in range(thread, n_chunks, n_threads):
            rows = block[chunk * ITEMS_PER_CHUNK : (chunk + 1) * ITEMS_PER_CHUNK]
            for panel in range(counts[rows[0]] // PANEL, (n_centres + PANEL - 1) // PANEL):
                start = panel * PANEL
                stop = min(start + PANEL, n_centres)
                for row in rows:
                    if counts[row] >= stop or bounds[row] < tau:
                        continue
                    near[:] = -state.panel_norms[panel]
                    _add_products(problem.coordinates[row], state.panels[panel], near)
                    if _largest(near) >= _threshold(row, bounds[row], problem):
                        first, last = counts[row] - start, stop - start
                        _lower_bound(row, near, start, first, last, problem, state)
                    counts[row] = stop


@compiled
def pick(rows: Rows, tau: float, n_picked: int, budget: int, problem: Problem, state: State) -> int:
    """Pick the farthest of `rows` again and again, until none reaches `tau`; return n_picked.

    `rows` ascend, have seen all centres and have bounds >= tau; all other rows' bounds are below
    tau. So each pick is the farthest of all, the lowest row on ties.
    """
    features, m, n_rows = problem.features, problem.labeled.shape[0], rows.shape[0]
    transposed = np.empty((problem.coordinates.shape[1], n_rows), np.float32)
    thresholds, near = np.empty(n_rows, np.float32), np.empty(n_rows, np.float32)
    bounds = state.bounds[rows]
    for i in range(n_rows):
        transposed[:, i] = problem.coordinates[rows[i]]
        thresholds[i] = _threshold(rows[i], bounds[i], problem)
    while n_picked < budget:
        farthest = np.argmax(bounds)
        if bounds[farthest] < tau:
            break
        row = rows[farthest]
        state.picks[n_picked], state.squared_radii[n_picked] = row, bounds[farthest]
        add_centre(m + n_picked, problem.coordinates[row], problem.half_norms[row], state)
        n_picked += 1
        bounds[farthest], thresholds[farthest] = PICKED, np.inf
        near[:] = -problem.half_norms[row]
        _add_products(problem.coordinates[row], transposed, near)
        for i in range(n_rows):
            if near[i] >= thresholds[i]:
                distance = squared_distance(features[rows[i]], features[row])
                if distance < bounds[i]:
                    bounds[i] = distance
                    thresholds[i] = _threshold(rows[i], distance, problem)
    for i in range(n_rows):
        state.bounds[rows[i]] = bounds[i]
        state.counts[rows[i]] = m + n_picked
    return n_picked


@compiled
def add_centre(centre: int, coordinates: Float32Array, half_norm: float, state: State) -> None:
    """Put a centre's sketch into its place in the panels."""
    state.panels[centre // PANEL, :, centre % PANEL] = coordinates
    state.panel_norms[centre // PANEL, centre % PANEL] = half_norm
