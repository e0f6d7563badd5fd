"""Greedy k-centers: the float64 definition's picks, at a small part of its cost.

Source: Selection via Proxy, section 3.1 (after Sener and Savarese 2018). Differences: the published
code keeps a (labeled + budget) x pool matrix; here every row keeps one upper bound of its distance
to the centres and how many of them the bound has seen. Only the rows with the largest bounds are
brought up to date, as one block; among them picks go on until every other row's bound is larger.
Squared distances are compared, so no tie is made by rounding a root.
"""

import hashlib
import time

import numba
import numpy as np

from selection.k_centers_cpu import PICKED, Problem, State, add_centres, pick, refresh
from selection.k_centers_estimate import LIKELY_SHARE, Estimate, memory_needed
from selection.k_centers_filter import LEAST_WIDTH, Projection, largest_value
from selection.memory import available_memory, check_memory
from selection.panel_products import PANEL
from selection.types import FloatArray, Rows, Scores
from selection.watch import Arrays, SelectionStopped, Watch

SURVIVORS_WANTED = 768  # enough picks from one block, few enough to stay in the cache
SAMPLED_OF_BLOCK = 64  # how many of a block's rows the sample that finds tau should hold
N_PROBED = 4096  # rows whose speed tells that of all
HASHED_AT_ONCE = 65_536  # rows


def greedy_k_centers(
    features: FloatArray,
    labeled_features: FloatArray | None,
    budget: int,
    rng: np.random.Generator,
    watch: Watch | None = None,
) -> tuple[Rows, Scores]:
    """Return (rows in order of picking, [b]; distance to the nearest centre when picked, [b]).

    Each pick is the row farthest from all centres, the lowest such row on ties. Distances are
    Euclidean, as `np.square(x - c).sum()` of float64 gives them. Extra memory is O(n + m + b).

    Args:
        features: of the pool, [n, d], float32 or float64, finite (not checked); may be a
            memory-mapped file larger than memory.
        labeled_features: the first centres, [m, d]. With none, the first pick is drawn from `rng`;
            its distance is then given as that of the row farthest from it, to stay finite.
        budget: b <= n (not checked).
        rng: used only where there is no labeled row.
        watch: how the selection is watched, stopped and resumed, and on which device it runs.

    Raises:
        NotEnoughMemoryError: before anything is allocated.
        LargeValueError: squared distances would overflow float64.
        SelectionError: the watch's device is not there.
        SelectionStopped: the watch asked for it; the state is saved.
    """
    watch = watch or Watch()
    run = _new_run(features, labeled_features, budget, watch.device)
    first = int(rng.integers(len(features))) if run.m == 0 and budget else None
    identity = "" if watch.state_file is None else run.identity(first)  # reads all features
    run.start(watch.load(identity))
    if first is not None and run.n_picked == 0:
        run.pick_first(first)
    while run.n_picked < budget:
        run.advance()
        watch.report(run.n_picked, budget)
        if watch.is_stopping():
            watch.save(identity, run.saved())
            raise SelectionStopped(run.n_picked, budget)
        if watch.is_save_due:
            watch.save(identity, run.saved())
    return run.state.picks, np.sqrt(run.state.squared_radii)


def _new_run(
    features: FloatArray, labeled_features: FloatArray | None, budget: int, device: str
) -> "KCenters":
    if device == "cpu":
        return KCenters(features, labeled_features, budget)
    import torch  # noqa: PLC0415 - only where a device is wanted

    from selection.k_centers_torch import TorchKCenters, find_device  # noqa: PLC0415

    found = find_device(device)
    try:
        return TorchKCenters(features, labeled_features, budget, found)
    except torch.OutOfMemoryError:  # the CPU is slower, and picks the same
        return KCenters(features, labeled_features, budget)


class KCenters:
    """A selection in progress; `state` says what is kept of it."""

    def __init__(
        self, features: FloatArray, labeled_features: FloatArray | None, budget: int
    ) -> None:
        n, d = features.shape
        if labeled_features is None:
            labeled_features = np.empty((0, d), features.dtype)
        # Plain arrays: numba knows no np.memmap; the mapping stays underneath.
        features = np.ascontiguousarray(np.asarray(features))
        labeled = np.ascontiguousarray(np.asarray(labeled_features))
        largest_value("labeled_features", labeled)
        self.m, self.budget, self.n_picked = len(labeled), budget, 0
        n_centres = self.m + budget
        self.projection = _fitting_projection(features, n_centres)
        width = self.projection.width
        task = f"Greedy k-centers of {n:,} x {d} with {n_centres:,} centres"
        check_memory(memory_needed(n, n_centres, width), task)
        sketches = self.projection.sketch(features)
        self.problem = Problem(
            features, labeled, sketches.coordinates, sketches.half_norms,
            self.projection.squared_scale, self.projection.slack,
        )  # fmt: skip
        n_panels = -(-n_centres // PANEL)
        self.state = State(
            picks=np.empty(budget, np.int64),
            squared_radii=np.empty(budget),
            bounds=np.full(n, np.inf),
            counts=np.zeros(n, np.int32),
            panels=np.zeros((n_panels, width, PANEL), np.float32),
            panel_norms=np.full((n_panels, PANEL), np.inf, np.float32),
        )
        self._block_wanted = 2 * SURVIVORS_WANTED

    @property
    def n_centres(self) -> int:
        """Labeled and picked rows."""
        return self.m + self.n_picked

    def identity(self, first: int | None) -> str:
        """Return a hash of shapes, all vectors and the drawn first row; budgets may differ."""
        features, labeled = self.problem.features, self.problem.labeled
        shapes = [(array.shape, str(array.dtype)) for array in (features, labeled)]
        digest = hashlib.blake2b(repr((shapes, first)).encode(), digest_size=32)
        for array in (labeled, features):
            for top in range(0, len(array), HASHED_AT_ONCE):
                digest.update(array[top : top + HASHED_AT_ONCE].data)
        return digest.hexdigest()

    def saved(self) -> Arrays:
        """Return what `start` goes on from."""
        done = slice(self.n_picked)
        return {
            "picks": self.state.picks[done],
            "squared_radii": self.state.squared_radii[done],
            "bounds": self.state.bounds,
            "counts": self.state.counts,
        }

    def start(self, saved: Arrays | None = None) -> None:
        """Set the centres up: the labeled ones and, from a saved state, those already picked."""
        labeled = self.projection.sketch(self.problem.labeled[: self.m])
        add_centres(0, labeled.coordinates, labeled.half_norms, self.state)
        if saved is None or len(saved["picks"]) > self.budget:
            self.refresh(np.arange(len(self.state.bounds)), np.inf)
            return
        self.n_picked = len(saved["picks"])
        for name in ("picks", "squared_radii"):
            getattr(self.state, name)[: self.n_picked] = saved[name]
        for name in ("bounds", "counts"):
            getattr(self.state, name)[:] = saved[name]
        self._add_centres(self.m, saved["picks"])

    def pick_first(self, row: int) -> None:
        """Take `row` as the first centre, where nothing is labeled."""
        self.state.picks[0], self.state.bounds[row] = row, PICKED
        self._add_centres(0, np.array([row]))
        self.n_picked = 1
        self.refresh(np.flatnonzero(self.state.bounds != PICKED), np.inf)
        self.state.squared_radii[0] = max(self.state.bounds.max(), 0.0)

    def advance(self) -> None:
        """Bring the rows with the largest bounds up to date and pick among them."""
        found = self.find_survivors()
        if found is None:
            self._pick_duplicates()
            return
        survivors, tau = found
        self.n_picked = pick(survivors, tau, self.n_picked, self.budget, self.problem, self.state)

    def find_survivors(self) -> tuple[Rows, float] | None:
        """Return (rows, tau): all rows whose distance to the centres is at least tau, up to date.

        None if every row that is left lies on a centre.
        """
        bounds = self.state.bounds
        while True:
            tau = self._block_threshold()
            block = np.flatnonzero(bounds >= tau)
            if len(block) == 0:
                return None
            block = block[np.argsort(self.state.counts[block], kind="stable")]
            self.refresh(block, tau)
            survivors = np.sort(block[bounds[block] >= tau])
            growth = SURVIVORS_WANTED / max(len(survivors), 1)
            self._block_wanted = int(self._block_wanted * min(max(growth, 0.5), 2.0)) + 1
            if len(survivors):
                return survivors, tau

    def _block_threshold(self) -> float:
        """Return tau > 0 so that about `_block_wanted` bounds reach it: a sample's quantile."""
        bounds = self.state.bounds
        step = max(1, min(self._block_wanted, len(bounds)) // SAMPLED_OF_BLOCK)
        sample = bounds[self.n_picked % step :: step]
        place = len(sample) - min(len(sample), max(1, self._block_wanted // step))
        tau = float(np.partition(sample, place)[place])
        # At most 0: fewer rows than wanted are apart from the centres, so take all of these.
        return tau if tau > 0 else float(np.nextafter(0.0, 1.0))

    def _pick_duplicates(self) -> None:
        """Fill the budget with rows at distance 0, the lowest first: nothing else is left."""
        rest = np.flatnonzero(self.state.bounds == 0)[: self.budget - self.n_picked]
        self.state.picks[self.n_picked :] = rest
        self.state.squared_radii[self.n_picked :] = 0.0
        self.n_picked = self.budget

    def _add_centres(self, first: int, rows: Rows) -> None:
        coordinates, half_norms = self.problem.coordinates, self.problem.half_norms
        add_centres(first, coordinates[rows], half_norms[rows], self.state)

    def refresh(self, block: Rows, tau: float) -> None:
        """Bring a block, sorted by counts, up to date, or until it falls under tau."""
        refresh(block, tau, self.n_centres, self.problem, self.state, numba.get_num_threads())


def _fitting_projection(features: FloatArray, n_centres: int) -> Projection:
    """Return the fastest projection, or a narrower one if its sketches would not fit in memory.

    Narrower sketches leave more exact distances to compute; the picks are the same.
    """
    n, d = features.shape
    projection = Projection(features)
    spare_bytes = available_memory() - memory_needed(n, n_centres, 0)
    widest = spare_bytes // (memory_needed(n, n_centres, 1) - memory_needed(n, n_centres, 0))
    if widest >= projection.width or d <= LEAST_WIDTH:
        return projection
    return Projection(features, max(LEAST_WIDTH, int(widest)))


def estimate_run(
    features: FloatArray, m: int, budget: int, pool_index: Rows | None = None
) -> Estimate:
    """Return what `greedy_k_centers` will need here, from a probe of N_PROBED rows.

    The sketches' width, too, is that of the probe: no other row is read, so that the estimate of
    a large file takes no scan of it. The run chooses on its own sample.

    Args:
        features: of all items, [n_items, d].
        m: how many rows are labeled.
        budget: b.
        pool_index: items of the pool, [n]; None = all.
    """
    n = len(features) if pool_index is None else len(pool_index)
    n_centres = m + budget
    rows = np.linspace(0, n - 1, min(n, N_PROBED)).astype(np.int64)
    sample = features[rows if pool_index is None else pool_index[rows]]
    centres = sample[:: max(1, len(sample) // (8 * PANEL))]
    for part in (sample[:8], sample):  # the first compiles
        probe = KCenters(part, centres, 0)
        started = time.perf_counter()
        probe.projection.sketch(part)
        sketched = time.perf_counter()
        probe.start()
        probe.refresh(np.arange(len(part)), 0.0)
        refreshed = time.perf_counter()
    pairs = float(n) * n_centres * (refreshed - sketched) / (len(sample) * len(centres))
    sketching = (sketched - started) * n / len(sample)
    return Estimate(
        memory_bytes=memory_needed(n, n_centres, probe.projection.width),
        seconds=sketching + LIKELY_SHARE * pairs,
        seconds_at_most=sketching + pairs,
    )
