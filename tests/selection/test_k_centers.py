"""The naive float64 definition checks every variant of greedy k-centers."""

import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selection import memory
from selection.errors import BudgetError, LargeValueError, NotEnoughMemoryError, SelectionError
from selection.exact_distance import squared_distance
from selection.k_centers import run as k_centers
from selection.k_centers import torch as k_centers_torch
from selection.k_centers.estimate import memory_needed
from selection.k_centers.filter import Projection
from selection.k_centers.greedy import N_PROBED, estimate_run, greedy_k_centers
from selection.k_centers.run import KCenters
from selection.k_centers.sharded import ShardGroup, sharded_k_centers
from selection.k_centers.torch import TorchKCenters, pairwise_sum
from selection.watch import SelectionStopped, Watch

Problem = tuple[np.ndarray, np.ndarray]
Picked = tuple[np.ndarray, np.ndarray]
Dtypes = tuple[type, type]
# The loops are compiled for each pair, which takes longer than all the examples.
MIXED = [pytest.mark.slow, pytest.mark.nightly]
each_dtypes = pytest.mark.parametrize(
    "dtypes",
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        pytest.param((np.float32, np.float64), marks=MIXED),
        pytest.param((np.float64, np.float32), marks=MIXED),
    ],
    ids=lambda pair: "-".join(dtype.__name__ for dtype in pair),
)


def naive_k_centers(features: np.ndarray, labeled: np.ndarray, budget: int) -> Picked:
    features, labeled = features.astype(np.float64), labeled.astype(np.float64)
    nearest = np.full(len(features), np.inf)
    for centre in labeled:
        nearest = np.minimum(nearest, np.square(features - centre).sum(axis=1))
    rows, squared_radii = [], []
    for _ in range(budget):
        row = int(nearest.argmax())
        rows.append(row)
        squared_radii.append(nearest[row])
        nearest = np.minimum(nearest, np.square(features - features[row]).sum(axis=1))
        nearest[rows] = -1.0
    return np.array(rows, np.int64), np.sqrt(np.array(squared_radii))


def torch_k_centers(features: np.ndarray, labeled: np.ndarray, budget: int) -> Picked:
    run = TorchKCenters(features, labeled, budget, torch.device("cpu"))
    run.start()
    while run.n_picked < budget:
        run.advance()
    return run.state.picks, np.sqrt(run.state.squared_radii)


def in_shards(
    shards: list[np.ndarray], labeled: np.ndarray | None, budget: int, seed: int = 0
) -> list[Picked]:
    """Run one thread a shard; their exchange is a barrier."""
    messages: list[np.ndarray] = [np.empty(0)] * len(shards)
    found: list[Picked] = [(np.empty(0), np.empty(0))] * len(shards)
    barrier = threading.Barrier(len(shards), timeout=10)
    one_at_a_time = threading.Lock()  # numba's threads must not start twice at once

    def work(rank: int) -> None:
        def exchange(message: np.ndarray) -> np.ndarray:
            messages[rank] = message
            one_at_a_time.release()
            barrier.wait()
            together = np.stack(messages)
            barrier.wait()
            one_at_a_time.acquire()
            return together

        with one_at_a_time:
            rng = np.random.default_rng(seed)
            found[rank] = sharded_k_centers(
                shards[rank], labeled, budget, rng, ShardGroup(rank, exchange)
            )

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(len(shards))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """(features, labeled), float64, with duplicates, near-duplicates, shifts and uneven scales."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m = draw(st.integers(1, 200)), draw(st.integers(1, 150))
    d = draw(st.sampled_from([1, 3, 9, 24, 40, 150]))
    base = rng.integers(-3, 4, size=(draw(st.integers(1, 60)), d)).astype(np.float64)
    # Few directions of spread, so that the filter rotates and cuts.
    base[:, 6:] *= draw(st.sampled_from([0.0, 1e-2, 1.0]))
    features = base[rng.integers(len(base), size=n)]
    features += rng.normal(size=(n, d)) * draw(st.sampled_from([0.0, 1e-6, 1e-3, 1.0]))
    features *= np.exp(rng.normal(size=(n, 1)) * draw(st.sampled_from([0.0, 5.0])))
    features += draw(st.sampled_from([0.0, 1000.0]))
    features *= draw(st.sampled_from([1e-25, 1.0, 1e25]))  # float32 squares under- and overflow
    labeled = features[rng.integers(n, size=m)] * draw(st.sampled_from([1.0, 0.5]))
    return features, labeled


def of_dtypes(problem: Problem, dtypes: Dtypes) -> Problem:
    return problem[0].astype(dtypes[0]), problem[1].astype(dtypes[1])


def assert_same(found: Picked, expected: Picked) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def set_free_memory(monkeypatch: pytest.MonkeyPatch, size_bytes: int) -> None:
    for module in (k_centers, memory):
        monkeypatch.setattr(module, "available_memory", lambda: size_bytes)


class TestGreedyKCenters:
    @each_dtypes
    @given(problem=problems(), survivors=st.sampled_from([1, 7, 512]))
    def test_every_backend_equals_the_slow_definition(
        self, dtypes: Dtypes, problem: Problem, survivors: int
    ) -> None:
        features, labeled = of_dtypes(problem, dtypes)
        expected = naive_k_centers(features, labeled, len(features))
        with pytest.MonkeyPatch.context() as patch:
            # Small blocks, panels and slabs, so that small problems pass through many.
            patch.setattr(k_centers, "SURVIVORS_WANTED", survivors)
            patch.setattr(k_centers, "SAMPLED_OF_BLOCK", 4)
            patch.setattr(k_centers_torch, "CENTRES_PER_PANEL", 16)
            patch.setattr(k_centers_torch, "ROWS_PER_SLAB", 50)
            patch.setattr(k_centers_torch, "CELLS_PER_CHUNK", 100)
            rng = np.random.default_rng(0)
            assert_same(greedy_k_centers(features, labeled, len(features), rng), expected)
            assert_same(torch_k_centers(features, labeled, len(features)), expected)

    @pytest.mark.parametrize("width", [4, 8, 24, 64])
    def test_filter_of_any_width_gives_the_same_picks(
        self, width: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rng = np.random.default_rng(0)
        features, labeled = rng.normal(size=(3_000, 64)), rng.normal(size=(200, 64))
        expected = naive_k_centers(features, labeled, 500)
        monkeypatch.setattr(k_centers, "Projection", lambda array: Projection(array, width))
        assert_same(greedy_k_centers(features, labeled, 500, rng), expected)

    def test_ties_go_to_the_lowest_row(self) -> None:
        features = np.array([[0.0], [2.0], [-2.0], [2.0]])
        rows, radii = greedy_k_centers(features, np.zeros((1, 1)), 4, np.random.default_rng(0))
        assert rows.tolist() == [1, 2, 0, 3]
        assert radii.tolist() == [2.0, 2.0, 0.0, 0.0]

    def test_equal_rows_come_in_order_without_a_step_for_each(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        features = np.ones((5_000, 3), np.float32)
        steps = []
        advance = KCenters.advance

        def counted(self: KCenters) -> None:
            steps.append(1)
            advance(self)

        monkeypatch.setattr(KCenters, "advance", counted)
        rows, radii = greedy_k_centers(features, features[:1], 5_000, np.random.default_rng(0))
        assert rows.tolist() == list(range(5_000))
        assert not radii.any()
        assert len(steps) == 1

    @pytest.mark.parametrize("labeled", [None, np.empty((0, 1))])
    def test_without_labeled_starts_from_a_drawn_row(self, labeled: np.ndarray | None) -> None:
        features = np.arange(6.0)[:, None]
        runs = [
            greedy_k_centers(features, labeled, 2, np.random.default_rng(seed))
            for seed in range(20)
        ]
        assert len({int(rows[0]) for rows, _ in runs}) > 1
        for rows, radii in runs:
            farthest = max(rows[0], 5 - rows[0])
            assert radii.tolist() == [farthest, farthest]
            assert abs(rows[1] - rows[0]) == farthest

    def test_memory_stays_below_a_copy_of_the_features(self) -> None:
        rng = np.random.default_rng(0)
        base = rng.normal(size=(20_000, 8)) @ rng.normal(size=(8, 512))
        features = base.astype(np.float32)
        greedy_k_centers(features[:100], features[:10], 5, rng)
        tracemalloc.start()
        greedy_k_centers(features, features[:300].copy(), 20, rng)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak_bytes < features.nbytes + (16 << 20)

    def test_memory_stays_within_the_estimate(self) -> None:
        features = np.random.default_rng(0).normal(size=(50_000, 64)).astype(np.float32)
        estimate = estimate_run(features, 1_000, 4_000)
        tracemalloc.start()
        greedy_k_centers(features, features[:1_000], 4_000, np.random.default_rng(0))
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak_bytes <= estimate.memory_bytes <= 2 * peak_bytes
        assert 0 < estimate.seconds < estimate.seconds_at_most

    def test_estimate_counts_the_pool_and_reads_a_sample_of_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        features = np.random.default_rng(0).normal(size=(30_000, 16))
        pool = np.arange(1, 30_000, 2)
        fitted: list[int] = []
        fit = Projection.__init__

        def noted(self: Projection, array: np.ndarray, width: int | None = None) -> None:
            fitted.append(len(array))
            fit(self, array, width)

        monkeypatch.setattr(Projection, "__init__", noted)
        found = estimate_run(features, 10, 90, pool)
        assert max(fitted) == N_PROBED
        assert found.memory_bytes == estimate_run(features[pool], 10, 90).memory_bytes
        assert found.memory_bytes < estimate_run(features, 10, 90).memory_bytes

    def test_memory_mapped_file_is_read_as_it_is(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        features, labeled = rng.normal(size=(500, 12)), rng.normal(size=(20, 12))
        np.save(tmp_path / "x.npy", features)
        mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
        expected = naive_k_centers(features, labeled, 100)
        assert_same(greedy_k_centers(mapped, labeled, 100, rng), expected)

    def test_sketches_are_narrower_where_memory_is_short(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        features = np.random.default_rng(0).normal(size=(3_000, 40))
        picked = greedy_k_centers(features, features[:5], 30, np.random.default_rng(0))
        assert KCenters(features, features[:5], 30).projection.width > 6
        set_free_memory(monkeypatch, memory_needed(3_000, 35, 6) + 10)
        assert KCenters(features, features[:5], 30).projection.width == 6
        again = greedy_k_centers(features, features[:5], 30, np.random.default_rng(0))
        np.testing.assert_array_equal(again[0], picked[0])

    def test_too_little_memory_is_refused_before_the_run(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        set_free_memory(monkeypatch, 10_000)
        features = np.random.default_rng(0).normal(size=(300, 4))
        with pytest.raises(NotEnoughMemoryError, match=r"300 x 4 with 60 centres needs 0\.03 GiB"):
            greedy_k_centers(features, features[:10], 50, np.random.default_rng(0))

    def test_values_whose_squares_overflow_are_refused(self) -> None:
        features = np.ones((300, 4))
        features[7, 2] = -1e200
        with pytest.raises(LargeValueError, match=r"features holds 1e\+200 in row 7"):
            greedy_k_centers(features, features[:10], 50, np.random.default_rng(0))

    def test_labeled_values_whose_squares_overflow_are_refused(self) -> None:
        features, labeled = np.ones((300, 4)), np.ones((5, 4))
        labeled[3, 1] = 1e200
        with pytest.raises(LargeValueError, match=r"labeled_features holds 1e\+200 in row 3"):
            greedy_k_centers(features, labeled, 50, np.random.default_rng(0))

    @pytest.mark.parametrize("d", [3, 40])
    @pytest.mark.parametrize("scale", [1e15, 1e19, 1e25])
    def test_labeled_far_outside_the_pools_scale_are_centres(self, d: int, scale: float) -> None:
        rng = np.random.default_rng(0)
        features = rng.normal(size=(300, d)) * np.geomspace(1, 1e-3, d)
        for labeled in (scale * rng.normal(size=(4, d)), np.vstack([scale * features, features])):
            expected = naive_k_centers(features, labeled[:310], 40)
            found = greedy_k_centers(features, labeled[:310], 40, rng)
            assert_same(found, expected)
            assert_same(torch_k_centers(features, labeled[:310], 40), expected)

    @pytest.mark.parametrize("device", ["gpu", "cuda:x", "meta", "cuda:99"])
    def test_device_that_is_not_there_is_refused(self, device: str) -> None:
        features, rng = np.ones((20, 2)), np.random.default_rng(0)
        with pytest.raises(SelectionError, match=f"device.*{device}"):
            greedy_k_centers(features, features[:2], 3, rng, Watch(device=device))

    @pytest.mark.parametrize("n_slabs", [0, 1, 3])
    def test_device_whose_memory_is_used_up_leaves_the_rest_to_the_cpu(
        self, n_slabs: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        features = np.random.default_rng(0).normal(size=(500, 20))
        monkeypatch.setattr(k_centers_torch, "ROWS_PER_SLAB", 200)
        whole = TorchKCenters.refresh_slab
        done: list[int] = []

        def filled(self: TorchKCenters, rows: np.ndarray, tau: float) -> None:
            if len(done) == n_slabs:
                raise torch.OutOfMemoryError
            done.append(1)
            whole(self, rows, tau)

        monkeypatch.setattr(TorchKCenters, "refresh_slab", filled)
        expected = naive_k_centers(features, features[:150], 100)
        assert_same(torch_k_centers(features, features[:150], 100), expected)
        assert len(done) == n_slabs

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    def test_gpu_gives_the_same_picks(self) -> None:
        rng = np.random.default_rng(0)
        features = rng.normal(size=(20_000, 96)).astype(np.float32)
        on_gpu = greedy_k_centers(features, features[:50], 3_000, rng, Watch(device="cuda"))
        assert_same(on_gpu, greedy_k_centers(features, features[:50], 3_000, rng))


class TestSquaredDistance:
    @pytest.mark.parametrize("d", [1, 7, 8, 17, 127, 128, 129, 136, 512, 777, 2048, 5000])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_has_the_bits_of_numpys_sum(self, d: int, dtype: type) -> None:
        x, c = np.random.default_rng(d).normal(size=(2, 20, d)).astype(dtype)
        expected = np.square(np.subtract(x, c, dtype=np.float64)).sum(axis=1)
        assert [squared_distance(a, b) for a, b in zip(x, c, strict=True)] == expected.tolist()
        squares = torch.from_numpy(np.square(np.subtract(x, c, dtype=np.float64)))
        assert pairwise_sum(squares).tolist() == expected.tolist()


class TestProjection:
    @each_dtypes
    @given(problem=problems(), width=st.sampled_from([2, 4, 9, None]))
    def test_bound_is_never_above_the_distance(
        self, dtypes: Dtypes, problem: Problem, width: int | None
    ) -> None:
        features, labeled = of_dtypes(problem, dtypes)
        projection = Projection(features, None if width is None else min(width, features.shape[1]))
        x, c = projection.sketch(features), projection.sketch(labeled)
        exact = np.square(features[:, None] - labeled.astype(np.float64)).sum(axis=2)
        for order in (slice(None), slice(None, None, -1)):  # float32 sums in two orders
            products = x.coordinates[:, order] @ c.coordinates[:, order].T
            bounds = x.half_norms[:, None].astype(np.float64) + (c.half_norms - products)
            assert (bounds - projection.slack <= 0.5 * exact * projection.squared_scale).all()

    def test_low_rank_features_get_few_coordinates(self) -> None:
        rng = np.random.default_rng(0)
        low_rank = rng.normal(size=(5_000, 6)) @ rng.normal(size=(6, 256))
        assert Projection(low_rank + 0.01 * rng.normal(size=low_rank.shape)).width <= 16
        assert Projection(rng.normal(size=(5_000, 64))).width == 64


class TestResume:
    def test_stopped_and_resumed_selection_equals_an_unbroken_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(k_centers, "SURVIVORS_WANTED", 16)
        rng = np.random.default_rng(0)
        features, labeled = rng.normal(size=(2_000, 20)), rng.normal(size=(40, 20))
        expected = naive_k_centers(features, labeled, 400)
        picked: list[int] = []
        stops = 0
        found = None
        while found is None:
            calls = iter([False, False, True])
            watch = Watch(
                on_progress=lambda n, _: picked.append(n),
                should_stop=lambda calls=calls: next(calls),  # type: ignore[misc]
                state_file=tmp_path / "state.npz",
            )
            try:
                found = greedy_k_centers(features, labeled, 400, rng, watch)
            except SelectionStopped:
                stops += 1
        assert_same(found, expected)
        assert stops > 3
        assert picked == sorted(picked), "a resumed selection starts where the last one ended"

    def test_without_labeled_only_the_same_draw_goes_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        features = np.random.default_rng(0).normal(size=(500, 5))
        expected = greedy_k_centers(features, None, 60, np.random.default_rng(3))
        other = greedy_k_centers(features, None, 60, np.random.default_rng(4))
        started: list[int] = []
        pick_first = KCenters.pick_first

        def noted(self: KCenters, row: int) -> None:
            started.append(row)
            pick_first(self, row)

        monkeypatch.setattr(KCenters, "pick_first", noted)
        watch = Watch(should_stop=lambda: True, state_file=tmp_path / "state.npz")
        with pytest.raises(SelectionStopped):
            greedy_k_centers(features, None, 20, np.random.default_rng(3), watch)
        watch = Watch(state_file=tmp_path / "state.npz")
        assert_same(greedy_k_centers(features, None, 60, np.random.default_rng(4), watch), other)
        assert_same(greedy_k_centers(features, None, 60, np.random.default_rng(3), watch), expected)
        assert started == [expected[0][0], other[0][0]]

    @pytest.mark.parametrize("damage", ["truncated", "other features", "one other row"])
    def test_state_that_does_not_fit_is_not_used(self, tmp_path: Path, damage: str) -> None:
        rng = np.random.default_rng(0)
        features, labeled = rng.normal(size=(9_001, 5)), rng.normal(size=(3, 5))
        watch = Watch(state_file=tmp_path / "state.npz", save_seconds=0)
        greedy_k_centers(features, labeled, 60, rng, watch)
        saved = (tmp_path / "state.npz").read_bytes()
        if damage == "truncated":
            (tmp_path / "state.npz").write_bytes(saved[: len(saved) // 2])
        elif damage == "other features":
            features = features + 1e-9
        else:
            features[1] *= 100.0
        expected = naive_k_centers(features, labeled, 60)
        assert_same(greedy_k_centers(features, labeled, 60, rng, watch), expected)


class TestShards:
    @pytest.mark.parametrize(
        "dtype", [np.float64, pytest.param(np.float32, marks=pytest.mark.slow)]
    )
    @settings(max_examples=30)
    @given(problem=problems(), n_shards=st.integers(1, 4))
    def test_shards_equal_the_whole_pool(
        self, dtype: type, problem: Problem, n_shards: int
    ) -> None:
        features, labeled = of_dtypes(problem, (dtype, dtype))
        budget = min(len(features), 40)
        expected = naive_k_centers(features, labeled, budget)
        for found in in_shards(
            np.array_split(features, min(n_shards, len(features))), labeled, budget
        ):
            assert_same(found, expected)

    @pytest.mark.parametrize("first", [0, 1])
    def test_centres_of_a_shard_of_another_scale_are_seen(self, first: int) -> None:
        small = np.random.default_rng(0).normal(size=(60, 5))
        shards = [1e25 * small, small]
        expected = naive_k_centers(np.concatenate(shards), shards[first][:1], 90)
        for found in in_shards(shards, shards[first][:1], 90):
            assert_same(found, expected)

    @pytest.mark.parametrize("budget", [1, 2, 30])
    def test_without_labeled_all_shards_draw_the_same_row(self, budget: int) -> None:
        features = np.random.default_rng(0).normal(size=(90, 5))
        expected = greedy_k_centers(features, None, budget, np.random.default_rng(5))
        for found in in_shards(np.array_split(features, 3), None, budget, seed=5):
            assert_same(found, expected)

    @pytest.mark.parametrize("budget", [-1, 6])
    def test_budget_above_the_pool_is_refused(self, budget: int) -> None:
        shard, rng = np.ones((5, 2)), np.random.default_rng(0)
        with pytest.raises(BudgetError, match=r"0\.\.5"):
            sharded_k_centers(
                shard, None, budget, rng, ShardGroup(0, lambda message: message[None])
            )
