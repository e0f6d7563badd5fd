"""Greedy k-centers: the float64 definition's picks, at a small part of its cost.

Source: Selection via Proxy, section 3.1 (after Sener and Savarese 2018). Differences: the published
code keeps a (labeled + budget) x pool matrix; here every row keeps one upper bound of its distance
to the centres and how many of them the bound has seen. Only the rows with the largest bounds are
brought up to date, as one block; it picks among them until every other row's bound is larger.
Squared distances are compared, so no tie is made by rounding a root.
"""

import time

import numpy as np

from selection.arrays import FloatArray, Rows, Scores
from selection.k_centers.estimate import LIKELY_SHARE, Estimate, memory_needed
from selection.k_centers.run import KCenters
from selection.panel_products import PANEL
from selection.types import Ranking, Signals, given
from selection.watch import SelectionStopped, Watch

N_PROBED = 4096  # rows whose speed tells that of all


def rank(signals: Signals, budget: int, rng: np.random.Generator, watch: Watch) -> Ranking:
    """Return the ranking by `greedy_k_centers`."""
    features = given(signals.features)
    return Ranking(*greedy_k_centers(features, signals.labeled_features, budget, rng, watch))


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
) -> KCenters:
    if device == "cpu":
        return KCenters(features, labeled_features, budget)
    import torch  # noqa: PLC0415 - only where a device is wanted

    from selection.k_centers.torch import TorchKCenters, find_device  # noqa: PLC0415

    found = find_device(device)
    try:
        return TorchKCenters(features, labeled_features, budget, found)
    except torch.OutOfMemoryError:  # the CPU is slower, and picks the same
        return KCenters(features, labeled_features, budget)


def estimate_run(
    features: FloatArray, m: int, budget: int, pool_index: Rows | None = None
) -> Estimate:
    """Estimate the needs of `greedy_k_centers` on this machine by a probe of N_PROBED rows.

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
