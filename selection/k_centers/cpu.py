"""The loops of greedy k-centers on the CPU: compiled by numba, all cores, state updated in place.

Sketches are the float32 stand-ins of selection.k_centers.filter. Those of the centres come in
panels of PANEL columns that stay in the cache while items pass by.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from selection.arrays import Float32Array, FloatArray, Rows, Scores
from selection.exact_distance import squared_distance
from selection.panel_products import LANES, PANEL, add_products, fill_lanes, reaches

ITEMS_PER_CHUNK = 128
PICKED = -1.0  # bound of a picked row: below every distance
ROUNDED_DOWN, TINY = 2.0**-22, 2.0**-140  # more than rounding to float32 may add

compiled = njit(cache=True, nogil=True)
# No value is NaN: a maximum may be taken of many at once.
compiled_number = njit(cache=True, nogil=True, fastmath={"nnan", "nsz", "reassoc"})
compiled_parallel = njit(cache=True, nogil=True, parallel=True)


class Problem(NamedTuple):
    """The fixed part of a run: vectors and their sketches.

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
    """The changing part of a run. Centre c is `labeled[c]`, or `features[picks[c - m]]` for c >= m.

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


class Room(NamedTuple):
    """Buffers of one thread.

    Attributes:
        due: rows of a chunk that a panel is new to, [ITEMS_PER_CHUNK + LANES].
        lanes: their products with a panel, flat, [LANES * PANEL].
        places: those of a lane that reach the threshold, [PANEL].
    """

    due: Rows
    lanes: Float32Array
    places: Rows


@compiled
def _distance_to_centre(x: FloatArray, centre: int, problem: Problem, state: State) -> float:
    m = problem.labeled.shape[0]
    if centre < m:
        return squared_distance(x, problem.labeled[centre])
    return squared_distance(x, problem.features[state.picks[centre - m]])


@compiled
def _threshold(row: int, bound: float, problem: Problem) -> np.float32:
    """Return the threshold that a product less the centre's half norm reaches if it is nearer."""
    half_norm = np.float64(problem.half_norms[row])
    exact = half_norm - 0.5 * bound * problem.squared_scale - problem.slack
    # Below `exact` whichever way float32 rounds; nextafter is a slow call.
    return np.float32(exact - abs(exact) * ROUNDED_DOWN - TINY)


@compiled
def _lower_bound(  # noqa: PLR0913, PLR0917 - numba takes no objects
    row: int,
    near: Float32Array,
    start: int,
    first: int,
    last: int,
    places: Rows,
    problem: Problem,
    state: State,
) -> None:
    """Lower one bound by the centres start + (first..last), where `near` reaches the threshold.

    The likely nearest goes first: its distance rules most of the others out. `places` is room to
    work in.
    """
    x, bound = problem.features[row], state.bounds[row]
    threshold = _threshold(row, bound, problem)
    n_places = 0
    for j in range(first, last):  # no branch: guessing it wrong costs more than a store
        places[n_places] = j
        n_places += int(near[j] >= threshold)
    if n_places == 0:
        return
    likely = int(places[0])
    for j in places[1:n_places]:
        if near[j] > near[likely]:
            likely = int(j)
    bound = min(bound, _distance_to_centre(x, start + likely, problem, state))
    threshold = _threshold(row, bound, problem)
    for j in places[:n_places]:
        if near[j] >= threshold and j != likely:
            distance = _distance_to_centre(x, start + j, problem, state)
            if distance < bound:
                bound = distance
                threshold = _threshold(row, bound, problem)
    state.bounds[row] = bound


@compiled_parallel
def refresh(  # noqa: PLR0913, PLR0917 - compiled, which takes arrays only
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
    for thread in prange(n_threads):
        room = Room(
            np.empty(ITEMS_PER_CHUNK + LANES, np.int64),
            np.empty(LANES * PANEL, np.float32),
            np.empty(PANEL, np.int64),
        )
        for chunk in range(thread, n_chunks, n_threads):
            rows = block[chunk * ITEMS_PER_CHUNK : (chunk + 1) * ITEMS_PER_CHUNK]
            first_panel = state.counts[rows[0]] // PANEL
            for panel in range(first_panel, (n_centres + PANEL - 1) // PANEL):
                stop = min((panel + 1) * PANEL, n_centres)
                _see_panel(rows, panel, stop, tau, room, problem, state)


@compiled
def _see_panel(  # noqa: PLR0913, PLR0917 - numba takes no objects
    rows: Rows,
    panel: int,
    stop: int,
    tau: float,
    room: Room,
    problem: Problem,
    state: State,
) -> None:
    """Bring those of `rows` that are not under `tau` up to date with a panel, up to `stop`."""
    bounds, counts, n_due = state.bounds, state.counts, 0
    due, lanes, places = room
    for row in rows:
        if counts[row] < stop and bounds[row] >= tau:
            due[n_due] = row
            n_due += 1
    columns, norms, start = state.panels[panel].reshape(-1), state.panel_norms[panel], panel * PANEL
    for top in range(0, n_due, LANES):
        due[n_due : top + LANES] = due[top]  # fills the last lanes up
        fill_lanes(due[top : top + LANES], problem.coordinates, columns, norms, lanes)
        for lane in range(min(LANES, n_due - top)):
            row, near = due[top + lane], lanes[lane * PANEL : (lane + 1) * PANEL]
            if reaches(near, _threshold(row, bounds[row], problem)):
                first, last = counts[row] - start, stop - start
                _lower_bound(row, near, start, first, last, places, problem, state)
            counts[row] = stop


@compiled_number
def _largest(values: Scores) -> float:
    largest = values[0]
    for value in values:
        largest = value if value > largest else largest
    return largest


@compiled
def _first_largest(values: Scores) -> int:
    """Return the first place of the largest value; values are numbers. Faster than argmax."""
    largest = _largest(values)
    place = 0
    while values[place] != largest:
        place += 1
    return place


@compiled
def pick(  # noqa: PLR0913, PLR0917 - compiled, which takes arrays only
    rows: Rows, tau: float, n_picked: int, budget: int, problem: Problem, state: State
) -> int:
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
        farthest = _first_largest(bounds)
        if bounds[farthest] < tau:
            break
        row = rows[farthest]
        state.picks[n_picked], state.squared_radii[n_picked] = row, bounds[farthest]
        add_centre(m + n_picked, problem.coordinates[row], problem.half_norms[row], state)
        n_picked += 1
        bounds[farthest], thresholds[farthest] = PICKED, np.inf
        near[:] = -problem.half_norms[row]
        add_products(problem.coordinates[row], transposed, near)
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


@compiled
def add_centres(
    first: int, coordinates: Float32Array, half_norms: Float32Array, state: State
) -> None:
    """Put the sketches of centres `first` and following, [k, K] and [k], into their places."""
    for place in range(coordinates.shape[0]):
        add_centre(first + place, coordinates[place], half_norms[place], state)
