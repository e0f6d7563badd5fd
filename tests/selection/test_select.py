"""Options of any strategy: class balance, no duplicates, a control arm, candidates."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selection import candidates, constraints, memory
from selection.arrays import Rows
from selection.candidates import neighbour_candidates, uniform_candidates
from selection.catalog import STRATEGIES
from selection.constraints import class_quotas, near_duplicates
from selection.control import control_places, draw_control
from selection.errors import BudgetError, EmptyPoolError, NotEnoughMemoryError
from selection.options import (
    CandidateKind,
    Candidates,
    SelectionOptions,
)
from selection.rank import rank
from selection.select import Pool, Selected, SelectionRequest, select, wanted_signals
from selection.types import Signals, rows_without
from tests.selection.test_contracts import N, make_signals

every_strategy = pytest.mark.parametrize("strategy", sorted(STRATEGIES))


def streams(purpose: str) -> np.random.Generator:
    return np.random.default_rng([7, *purpose.encode()])


def selected(
    strategy: str, budget: int, signals: Signals | None = None, **options: object
) -> Selected:
    known = signals or make_signals()
    asked = SelectionOptions(**options)  # type: ignore[arg-type]
    pool = Pool(known.n, known.take)
    return select(pool, SelectionRequest(strategy, budget, streams, asked))


@given(n=st.integers(1, 30), data=st.data())
def test_rows_without_some_are_the_difference_of_sets(n: int, data: st.DataObject) -> None:
    without = np.array(data.draw(st.lists(st.integers(0, n - 1))), np.int64)
    np.testing.assert_array_equal(rows_without(n, without), np.setdiff1d(np.arange(n), without))


class TestSelect:
    @every_strategy
    def test_without_options_it_is_the_strategys_ranking(self, strategy: str) -> None:
        found = selected(strategy, 12)
        expected = rank(strategy, make_signals(), 12, streams("selection"))
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_array_equal(found.scores, expected.scores)
        assert not found.is_control.any()

    @every_strategy
    @pytest.mark.parametrize("budget", [0, 1, 7, N])
    def test_all_options_at_once_fill_the_budget_with_distinct_rows(
        self, strategy: str, budget: int
    ) -> None:
        found = selected(
            strategy,
            budget,
            class_balance=True,
            duplicate_similarity=0.9,
            control_fraction=0.3,
            candidates=Candidates(CandidateKind.NEIGHBOURS, 3),
            measure_recall=True,
        )
        assert len(set(found.rows.tolist())) == budget
        assert ((found.rows >= 0) & (found.rows < N)).all()
        assert found.is_control.sum() == np.ceil(0.3 * budget)
        assert np.isfinite(found.scores).all()

    def test_empty_pool_and_budget_beyond_it_are_refused(self) -> None:
        with pytest.raises(EmptyPoolError):
            select(Pool(0, lambda _: Signals(0)), SelectionRequest("uniform", 0, streams))
        with pytest.raises(BudgetError, match=r"0\.\.40"):
            selected("uniform", N + 1)


class TestClassBalance:
    @given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=5), share=st.floats(0, 1))
    def test_quotas_are_equal_as_far_as_there_are_items(
        self, sizes: list[int], share: float
    ) -> None:
        budget = int(share * sum(sizes))
        expected = [0] * len(sizes)
        while sum(expected) < budget:  # one each, in turns
            for i, size in enumerate(sizes):
                if expected[i] < size and sum(expected) < budget:
                    expected[i] += 1
        assert class_quotas(np.array(sizes), budget).tolist() == expected

    @every_strategy
    def test_labels_are_balanced_in_every_prefix(self, strategy: str) -> None:
        signals = make_signals()
        assert signals.labels is not None
        fewest = np.bincount(signals.labels).min()
        found = selected(strategy, 4 * fewest, class_balance=True)
        classes = signals.labels[found.rows]
        for turn in range(fewest):
            assert sorted(classes[4 * turn : 4 * turn + 4]) == [0, 1, 2, 3]

    def test_without_labels_the_predicted_classes_are_balanced(self) -> None:
        probs = make_signals().probs
        assert probs is not None
        found = selected("margin", 8, Signals(N, probs), class_balance=True)
        assert np.bincount(probs[found.rows].argmax(axis=1)).tolist() == [2, 2, 2, 2]

    def test_within_a_class_the_order_is_the_strategys(self) -> None:
        probs = make_signals().probs
        assert probs is not None
        found = selected("least_confidence", N, Signals(N, probs), class_balance=True)
        classes = probs[found.rows].argmax(axis=1)
        for class_index in range(4):
            assert (np.diff(found.scores[classes == class_index]) <= 0).all()


class TestDuplicates:
    @given(seed=st.integers(0, 999), n=st.integers(1, 40), m=st.integers(0, 3))
    def test_marks_equal_the_definition(self, seed: int, n: int, m: int) -> None:
        rng = np.random.default_rng(seed)
        features = rng.normal(size=(n, 3))[rng.integers(n, size=n)]
        labeled = features[:m] * 2.0
        unit = features / np.linalg.norm(features, axis=1, keepdims=True)
        kept: list[int] = []
        expected = []
        for row in range(n):
            others = [*unit[kept], *unit[:m]]
            is_near = any(unit[row] @ other >= 0.99 - 1e-12 for other in others)
            expected.append(is_near)
            if not is_near:
                kept.append(row)
        found = near_duplicates(features, np.arange(n), labeled, 0.99, n)
        assert found.tolist() == expected

    def test_no_more_is_looked_at_or_allocated_than_the_budget_needs(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(constraints, "ROWS_PER_PART", 100)
        features = np.random.default_rng(0).normal(size=(20_000, 50))
        tracemalloc.start()
        found = near_duplicates(features, np.arange(20_000), None, 1.0, 300)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert not found[:300].any()
        assert found[512:].all()
        assert peak_bytes < features.nbytes / 4

    def test_kept_rows_of_all_parts_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constraints, "ROWS_PER_PART", 100)
        features = np.random.default_rng(0).normal(size=(700, 50))
        twice = np.concatenate([features, features])
        found = near_duplicates(twice, np.arange(1_400), None, 1.0, 1_400)
        assert found.tolist() == [False] * 700 + [True] * 700

    def test_too_little_memory_for_the_kept_is_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(memory, "available_memory", lambda: 10_000)
        with pytest.raises(NotEnoughMemoryError, match="near-duplicates of 5 items"):
            selected("uniform", 5, duplicate_similarity=0.9)

    @every_strategy
    def test_copies_of_an_item_come_last(self, strategy: str) -> None:
        base = make_signals()
        rows = np.concatenate([np.arange(N), np.arange(N)])
        signals = base.take(rows)
        found = selected(strategy, 2 * N, signals, duplicate_similarity=1.0)
        assert len({int(r) % N for r in found.rows[:N]}) == N

    def test_labeled_items_count(self) -> None:
        features = np.array([[1.0, 0.0], [0.0, 1.0], [0.9, 0.1]])
        signals = Signals(3, features=features, labeled_features=np.array([[5.0, 0.0]]))
        found = selected("k_centers", 3, signals, duplicate_similarity=0.9)
        assert found.rows[0] == 1


class TestControlArm:
    @given(budget=st.integers(0, 200), fraction=st.floats(0, 0.99))
    def test_every_prefix_holds_its_share_rounded_up(self, budget: int, fraction: float) -> None:
        is_control = np.zeros(budget, bool)
        is_control[control_places(budget, fraction)] = True
        shares = np.cumsum(is_control)
        exact = np.arange(1, budget + 1) * fraction
        assert (shares >= exact - 1e-6).all()
        assert (shares < exact + 1).all()

    def test_every_item_is_drawn_equally_often(self) -> None:
        counts = np.zeros(20)
        for seed in range(2000):
            rng = np.random.default_rng(seed)
            counts[draw_control(20, 10, 0.4, rng)] += 1
        assert counts.sum() == 2000 * 4
        assert abs(counts - 400).max() < 5 * np.sqrt(400)

    def test_control_does_not_depend_on_the_strategy(self) -> None:
        first, second = (
            selected(name, 20, control_fraction=0.25) for name in ("margin", "k_centers")
        )
        np.testing.assert_array_equal(first.rows[first.is_control], second.rows[second.is_control])

    def test_the_strategy_fills_the_rest_without_the_control_items(self) -> None:
        found = selected("margin", 20, control_fraction=0.25)
        control = set(found.rows[found.is_control].tolist())
        scores = rank("margin", make_signals(), N, streams("selection")).rows
        expected = [row for row in scores.tolist() if row not in control][:15]
        assert found.rows[~found.is_control].tolist() == expected


class TestCandidates:
    @pytest.mark.parametrize("n", [300, 21_000])
    def test_neighbours_are_those_of_the_exact_search(self, n: int) -> None:
        rng = np.random.default_rng(0)
        features = rng.normal(size=(n, 4)).astype(np.float32)
        labeled = rng.normal(size=(5, 4)).astype(np.float32)
        found = neighbour_candidates(features, labeled, 8, 1, rng)
        squared = np.square(features[:, None] - labeled).sum(axis=2)
        exact = set(np.argsort(squared, axis=0)[:8].ravel().tolist())
        assert found.index_recall is not None
        assert found.index_recall > 0.9
        assert len(exact & set(found.rows.tolist())) / len(exact) >= found.index_recall - 0.1
        assert (np.diff(found.rows) > 0).all()

    def test_recall_is_the_same_in_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        features = np.random.default_rng(0).normal(size=(500, 4))
        whole = neighbour_candidates(features, features[:20], 8, 1, np.random.default_rng(0))
        monkeypatch.setattr(candidates, "ROWS_ADDED_AT_ONCE", 70)
        parts = neighbour_candidates(features, features[:20], 8, 1, np.random.default_rng(0))
        assert whole.index_recall == parts.index_recall == 1.0

    def test_too_little_memory_for_the_index_is_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(memory, "available_memory", lambda: 10_000)
        features = np.ones((500, 4))
        with pytest.raises(NotEnoughMemoryError, match="index of 500 x 4"):
            neighbour_candidates(features, features[:2], 8, 1, np.random.default_rng(0))

    def test_too_few_neighbours_are_filled_up(self) -> None:
        features = np.eye(10, dtype=np.float32)
        found = neighbour_candidates(features, features[:1], 2, 6, np.random.default_rng(0))
        assert len(found.rows) == 6
        assert 0 in found.rows

    def test_subsample_is_distinct_and_as_large_as_wanted(self) -> None:
        found = uniform_candidates(50, 20, np.random.default_rng(0))
        assert len(np.unique(found.rows)) == 20
        assert len(uniform_candidates(5, 20, np.random.default_rng(0)).rows) == 5

    def test_only_candidates_are_measured_where_features_were_brought(self) -> None:
        signals, measured = make_signals(), []

        def measure(rows: Rows) -> Signals:
            measured.append(len(rows))
            return signals.take(rows)

        brought = signals.features
        assert brought is not None
        pool = Pool(N, measure, lambda rows: brought[rows], signals.labeled_features)
        options = SelectionOptions(candidates=Candidates(CandidateKind.NEIGHBOURS, 4))
        found = select(pool, SelectionRequest("margin", 5, streams, options))
        assert found.candidates is not None
        assert measured == [found.candidates.n]
        assert found.candidates.n <= 12

    @pytest.mark.parametrize("kind", list(CandidateKind))
    def test_recall_of_all_candidates_is_one(self, kind: CandidateKind) -> None:
        found = selected("margin", 5, candidates=Candidates(kind, N), measure_recall=True)
        assert found.candidates is not None
        assert found.candidates.selection_recall == 1.0
        assert found.candidates.fraction == 1.0

    def test_recall_is_the_share_of_the_full_scans_selection(self) -> None:
        found = selected(
            "margin",
            10,
            candidates=Candidates(CandidateKind.UNIFORM, 15),
            measure_recall=True,
        )
        full = selected("margin", 10)
        assert found.candidates is not None
        shared = set(found.rows.tolist()) & set(full.rows.tolist())
        assert found.candidates.selection_recall == len(shared) / 10

    def test_without_a_labeled_item_the_whole_pool_is_scanned(self) -> None:
        signals = Signals(N, features=make_signals().features)
        found = selected(
            "k_centers", 5, signals, candidates=Candidates(CandidateKind.NEIGHBOURS, 2)
        )
        assert found.candidates is None


class TestOptions:
    @pytest.mark.parametrize("strategy", ["entropy", "badge", "el2n", "unheard_of"])
    def test_cold_start_that_needs_a_proxy_is_an_error(self, strategy: str) -> None:
        with pytest.raises(ValueError, match=f"not '{strategy}': .*typiclust, uniform"):
            SelectionOptions(cold_start=strategy).check_cold_start()

    @every_strategy
    def test_needed_signals_are_wanted(self, strategy: str) -> None:
        assert wanted_signals(strategy, SelectionOptions()) == STRATEGIES[strategy].needs
        options = SelectionOptions(class_balance=True, duplicate_similarity=0.9)
        assert {"probs", "features"} <= wanted_signals(strategy, options)
