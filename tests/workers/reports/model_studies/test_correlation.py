"""Correlations of orders: against scipy, with ties, infinities and items without a place."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from workers.reports.model_studies.correlation import (
    between_models,
    between_runs,
    pearson,
    spearman,
)

FloatArray = npt.NDArray[np.float64]
# Few values, so that there are ties; infinity: never learned.
counts = arrays(np.float64, 12, elements=st.sampled_from([0.0, 1.0, 2.0, 3.0, np.inf]))


def slow_spearman(first: FloatArray, second: FloatArray) -> float:
    """Return Pearson's correlation of mean ranks, counted item by item."""

    def ranks(values: FloatArray) -> FloatArray:
        return np.asarray(
            [np.sum(values < v) + (np.sum(values == v) + 1) / 2 for v in values], np.float64
        )

    a, b = ranks(first), ranks(second)
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


class TestSpearman:
    @given(counts, counts)
    def test_it_is_the_slow_definition_with_ties_and_infinities(
        self, first: FloatArray, second: FloatArray
    ) -> None:
        found = spearman(first, second)
        if len(set(first)) == 1 or len(set(second)) == 1:
            assert np.isnan(found)
        else:
            assert found == pytest.approx(slow_spearman(first, second))
            finite_first = np.where(np.isinf(first), 99.0, first)
            finite_second = np.where(np.isinf(second), 99.0, second)
            assert found == pytest.approx(stats.spearmanr(finite_first, finite_second).statistic)

    def test_items_without_a_place_are_left_out_of_both(self) -> None:
        first = np.array([np.nan, 1.0, 2.0, 3.0, 4.0])
        second = np.array([0.0, 10.0, 30.0, 20.0, np.nan])
        assert spearman(first, second) == pytest.approx(0.5)


class TestPearson:
    def test_it_is_scipys_over_what_both_learned(self) -> None:
        rng = np.random.default_rng(1)
        first = rng.poisson(3, 50).astype(np.float64)
        second = first + rng.normal(size=50)
        expected = stats.pearsonr(first[2:], second[2:]).statistic
        first[0], second[1] = np.inf, np.inf
        assert pearson(first, second) == pytest.approx(expected)

    def test_nothing_to_tell_apart_is_not_a_number(self) -> None:
        assert np.isnan(pearson(np.ones(4), np.arange(4.0)))
        assert np.isnan(pearson(np.full(4, np.inf), np.arange(4.0)))


class TestBetweenRuns:
    def test_a_model_with_itself_takes_each_pair_of_runs_once(self) -> None:
        runs = {seed: np.random.default_rng(seed).normal(size=30) for seed in range(5)}
        pairs = [(a, b) for a in runs for b in runs if a < b]
        found = between_runs(runs, runs, spearman)
        assert found is not None
        assert found.mean == pytest.approx(np.mean([spearman(runs[a], runs[b]) for a, b in pairs]))
        assert found.n_seeds == 5

    def test_two_models_are_compared_over_20_pairs_of_different_runs_of_5(self) -> None:
        seen = []

        def correlate(first: FloatArray, second: FloatArray) -> float:
            seen.append((int(first[0]), int(second[0])))
            return 0.5

        first = {seed: np.array([float(seed)]) for seed in range(5)}
        second = {seed: np.array([float(seed)]) for seed in range(5)}
        between_runs(first, second, correlate)
        assert len(seen) == 20
        assert all(a != b for a, b in seen)

    def test_models_with_one_seed_are_compared_and_a_model_with_one_run_is_not(self) -> None:
        one = {7: np.arange(9.0)}
        other = {7: np.arange(9.0)[::-1].copy()}
        found = between_models({"a": one, "b": other}, spearman)
        assert found["a", "a"] is None
        turned = found["a", "b"]
        assert turned is not None
        assert turned.mean == pytest.approx(-1.0)
        assert found["b", "a"] == turned

    def test_runs_without_order_do_not_spoil_the_mean(self) -> None:
        first = {1: np.arange(5.0), 2: np.zeros(5)}
        second = {3: np.arange(5.0)}
        found = between_runs(first, second, spearman)
        assert found is not None
        assert found.mean == pytest.approx(1.0)
        assert between_runs({2: np.zeros(5)}, second, spearman) is None
