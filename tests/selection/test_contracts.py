"""Every strategy keeps the same contract; the slow definitions check the fast code."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selection import uncertainty
from selection.catalog import STRATEGIES
from selection.k_centers import greedy_k_centers
from selection.registry import RANKERS, rank, register
from selection.types import SelectionError, Signals


def make_signals(seed: int, n: int = 40) -> Signals:
    rng = np.random.default_rng(seed)
    return Signals(
        n=n,
        probs=rng.dirichlet(np.ones(4), n),
        features=rng.normal(size=(n, 5)),
        labeled_features=rng.normal(size=(3, 5)),
    )


def naive_k_centers(features: np.ndarray, labeled: np.ndarray, budget: int) -> list[int]:
    picks: list[int] = []
    for _ in range(budget):
        best, best_distance = -1, -1.0
        for row in range(len(features)):
            if row in picks:
                continue
            centres = [*labeled, *features[picks]]
            distance = min(float(np.square(features[row] - c).sum()) for c in centres)
            if distance > best_distance:
                best, best_distance = row, distance
        picks.append(best)
    return picks


class TestRank:
    def test_catalog_and_registry_list_the_same_names(self) -> None:
        assert set(STRATEGIES) == set(RANKERS)

    @pytest.mark.parametrize("strategy", sorted(STRATEGIES))
    def test_smaller_budget_gives_a_prefix_of_distinct_rows(self, strategy: str) -> None:
        signals = make_signals(1)
        longer = rank(strategy, signals, 25, np.random.default_rng(7))
        shorter = rank(strategy, signals, 10, np.random.default_rng(7))
        assert len(set(longer.rows.tolist())) == 25
        np.testing.assert_array_equal(longer.rows[:10], shorter.rows)

    @pytest.mark.parametrize("strategy", sorted(STRATEGIES))
    def test_budget_outside_the_pool_is_refused(self, strategy: str) -> None:
        with pytest.raises(SelectionError, match=r"0\.\.40"):
            rank(strategy, make_signals(1), 41, np.random.default_rng(0))

    @pytest.mark.parametrize("strategy", sorted(s for s in STRATEGIES if STRATEGIES[s].needs))
    def test_missing_signal_is_named(self, strategy: str) -> None:
        with pytest.raises(SelectionError, match="needs"):
            rank(strategy, Signals(n=4), 2, np.random.default_rng(0))

    def test_unknown_strategy_lists_the_known(self) -> None:
        with pytest.raises(SelectionError, match="least_confidence"):
            rank("best", make_signals(1), 1, np.random.default_rng(0))

    def test_double_registration_is_refused(self) -> None:
        with pytest.raises(SelectionError, match="twice"):
            register("uniform", RANKERS["uniform"])

    def test_non_finite_probs_are_an_error(self) -> None:
        with pytest.raises(SelectionError, match="not finite"):
            Signals(n=1, probs=np.array([[np.nan, 1.0]]))

    def test_ties_go_to_the_lowest_row(self) -> None:
        signals = Signals(n=5, probs=np.full((5, 2), 0.5))
        rows = rank("entropy", signals, 5, np.random.default_rng(0)).rows
        assert rows.tolist() == [0, 1, 2, 3, 4]


class TestUncertainty:
    def test_exact_zero_gives_zero_entropy_not_nan(self) -> None:
        assert uncertainty.entropy(np.array([[1.0, 0.0]])).tolist() == [0.0]

    @given(seed=st.integers(0, 1000))
    def test_scores_equal_their_definitions(self, seed: int) -> None:
        probs = np.random.default_rng(seed).dirichlet(np.ones(5), 8)
        for row, p in enumerate(probs):
            first, second = sorted(p)[-1], sorted(p)[-2]
            assert uncertainty.least_confidence(probs)[row] == pytest.approx(1 - first)
            assert uncertainty.margin(probs)[row] == pytest.approx(1 - (first - second))
            assert uncertainty.entropy(probs)[row] == pytest.approx(-(p * np.log(p)).sum())


class TestGreedyKCenters:
    @settings(max_examples=40, deadline=None)
    @given(seed=st.integers(0, 10_000), n_distinct=st.integers(1, 12))
    def test_picks_equal_the_slow_definition(self, seed: int, n_distinct: int) -> None:
        rng = np.random.default_rng(seed)
        base = rng.integers(-3, 4, size=(n_distinct, 3)) + rng.choice([0.0, 1000.0])
        features = base[rng.integers(n_distinct, size=14)] + rng.choice([0.0, 1e-6], (14, 1))
        labeled = base[:1] + 0.5
        rows, radii = greedy_k_centers(features, labeled, 14, rng)
        assert rows.tolist() == naive_k_centers(features, labeled, 14)
        assert (np.diff(radii[: len(np.unique(features, axis=0))]) <= 1e-9).all()

    def test_without_centres_starts_from_a_drawn_row(self) -> None:
        features = np.arange(6.0)[:, None]
        rows, radii = greedy_k_centers(features, None, 2, np.random.default_rng(3))
        assert np.isinf(radii[0])
        assert rows[1] in (0, 5)
