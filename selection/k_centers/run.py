"""A greedy k-centers selection in progress, on the CPU; other devices override `refresh`."""

import hashlib

import numba
import numpy as np

from selection.arrays import FloatArray, Rows
from selection.k_centers.cpu import PICKED, Problem, State, add_centres, pick, refresh
from selection.k_centers.estimate import memory_needed
from selection.k_centers.filter import LEAST_WIDTH, Projection, largest_value
from selection.memory import available_memory, check_memory
from selection.panel_products import PANEL
from selection.watch import Arrays

SURVIVORS_WANTED = 768  # enough picks from one block, few enough to stay in the cache
SAMPLED_OF_BLOCK = 64  # how many of a block's rows the sample that finds tau should hold
HASHED_AT_ONCE = 65_536  # rows


class KCenters:
    """A selection in progress; `state` is the part that is saved."""

    def __init__(
        self, features: FloatArray, labeled_features: FloatArray | None, budget: int
    ) -> None:
        n, d = features.shape
        if labeled_features is None:
            labeled_features = np.empty((0, d), features.dtype)
        features, labeled = _read_only(features), _read_only(labeled_features)
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
        """Return the state that `start` resumes from."""
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


def _read_only(array: FloatArray) -> FloatArray:
    """Return a plain read-only view.

    numba knows no np.memmap, and compiles anew for arrays that cannot be written to, as mapped
    ones: now all are alike. The mapping stays underneath.
    """
    view = np.ascontiguousarray(np.asarray(array)).view()
    view.flags.writeable = False
    return view


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
