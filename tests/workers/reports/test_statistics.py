"""Intervals, ratios and paired differences against scipy and plain arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from workers.reports.statistics import (
    Estimate,
    correlations,
    correlations_of_pairs,
    estimate,
    is_within_one_std,
    paired,
    paired_ratio,
    ratio,
)

values = st.lists(
    st.integers(1, 10_000).map(lambda n: n / 100), min_size=2, max_size=9, unique=True
)


class TestEstimate:
    @given(values)
    def test_interval_is_students_as_scipy_tests_it(self, some: list[float]) -> None:
        found = estimate(some)
        interval = stats.ttest_1samp(some, 0.0).confidence_interval(0.95)
        assert found.mean == pytest.approx(np.mean(some))
        assert found.std == pytest.approx(np.std(some, ddof=1))
        assert found.low == pytest.approx(interval.low, rel=1e-6, abs=1e-9)
        assert found.high == pytest.approx(interval.high, rel=1e-6, abs=1e-9)

    def test_one_seed_has_a_mean_and_nothing_else(self) -> None:
        assert estimate([0.25]) == Estimate(0.25, None, None, None, 1)

    def test_equal_values_have_an_interval_of_one_point(self) -> None:
        found = estimate([0.5, 0.5, 0.5])
        assert (found.std, found.low, found.high) == (0.0, 0.5, 0.5)


class TestPaired:
    def test_only_seeds_that_both_have_count(self) -> None:
        found = paired({1: 0.3, 2: 0.5, 3: 0.9}, {1: 0.2, 2: 0.4, 4: 0.0})
        assert found is not None
        assert found.mean == pytest.approx(0.1)
        assert found.std == pytest.approx(0.0, abs=1e-9)
        assert found.n_seeds == 2

    def test_interval_is_that_of_scipys_paired_test(self) -> None:
        ours, theirs = [0.31, 0.28, 0.35, 0.30], [0.30, 0.29, 0.31, 0.26]
        found = paired(dict(enumerate(ours)), dict(enumerate(theirs)))
        assert found is not None
        interval = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
        assert found.low == pytest.approx(interval.low)
        assert found.high == pytest.approx(interval.high)

    def test_without_a_common_seed_there_is_none(self) -> None:
        assert paired({1: 0.3}, {2: 0.3}) is None
        assert paired_ratio({1: 0.3}, {2: 0.3}) is None


class TestRatio:
    @given(values)
    def test_turning_the_ratio_round_turns_its_estimate_round(self, some: list[float]) -> None:
        found, turned = ratio(some), ratio([1 / value for value in some])
        assert found.low is not None
        assert turned.high is not None
        assert found.mean == pytest.approx(1 / turned.mean)
        assert found.low == pytest.approx(1 / turned.high)

    def test_mean_is_geometric_and_interval_students_of_the_logarithms(self) -> None:
        found = ratio([2.0, 8.0])
        assert found.mean == pytest.approx(4.0)
        assert found.std == pytest.approx(np.std([2, 8], ddof=1))
        logs = stats.ttest_1samp(np.log([2.0, 8.0]), 0.0).confidence_interval(0.95)
        assert found.low == pytest.approx(np.exp(logs.low))
        assert found.high == pytest.approx(np.exp(logs.high))

    def test_seeds_that_took_no_time_are_left_out(self) -> None:
        found = paired_ratio({1: 8.0, 2: 6.0, 3: 5.0}, {1: 2.0, 2: 0.0, 3: 1.25})
        assert found is not None
        assert found.mean == pytest.approx(4.0)
        assert found.n_seeds == 2


class TestCorrelations:
    @given(st.lists(st.integers(-99, 99).map(lambda n: n / 100), min_size=2, max_size=6))
    def test_interval_stays_between_minus_1_and_1(self, some: list[float]) -> None:
        found = correlations(some)
        assert found.mean == pytest.approx(np.mean(some))
        assert found.low is not None
        assert found.high is not None
        assert -1 <= found.low <= found.high <= 1

    def test_interval_is_students_of_fishers_z(self) -> None:
        some = [0.90, 0.95, 0.99]
        z = stats.ttest_1samp(np.arctanh(some), 0.0).confidence_interval(0.95)
        found = correlations(some)
        assert found.low == pytest.approx(np.tanh(z.low))
        assert found.high == pytest.approx(np.tanh(z.high))

    def test_a_correlation_of_1_is_no_error(self) -> None:
        found = correlations([1.0, 1.0, 1.0])
        assert (found.mean, found.std) == (1.0, 0.0)
        assert found.low == pytest.approx(1.0)


class TestPairsOfRuns:
    def test_interval_is_the_jackknife_over_runs(self) -> None:
        rng = np.random.default_rng(0)
        runs = [1, 2, 3, 4]
        pairs = {(a, b): float(rng.uniform()) for a in runs for b in runs if a != b}
        found = correlations_of_pairs(pairs)
        z = {pair: np.arctanh(value) for pair, value in pairs.items()}
        left_out = [np.mean([v for pair, v in z.items() if run not in pair]) for run in runs]
        error = np.sqrt(3 / 4 * np.sum((np.array(left_out) - np.mean(left_out)) ** 2))
        reach = stats.t.ppf(0.975, 3) * error
        assert found.mean == pytest.approx(np.mean(list(pairs.values())))
        assert found.low == pytest.approx(np.tanh(np.mean(list(z.values())) - reach))
        assert found.high == pytest.approx(np.tanh(np.mean(list(z.values())) + reach))
        assert found.n_seeds == 4

    def test_pairs_that_share_runs_are_not_taken_for_independent_values(self) -> None:
        # What a run brings to all its pairs varies, and nothing else: few runs, much uncertainty.
        effects = {1: 0.05, 2: 0.2, 3: 0.4, 4: 0.1}
        pairs = {(a, b): effects[a] + effects[b] for a in effects for b in effects if a != b}
        found, naive = correlations_of_pairs(pairs), estimate(list(pairs.values()))
        assert found.margins[1] > 2 * naive.margins[1]

    def test_two_runs_have_one_pair_and_no_interval(self) -> None:
        found = correlations_of_pairs({(1, 2): 0.8})
        assert (found.mean, found.std, found.low, found.n_seeds) == (0.8, None, None, 2)


class TestBoldRule:
    @pytest.mark.parametrize(
        ("error", "is_bold"),
        [(5.2, True), (5.3, True), (5.36, True), (5.37, False), (5.4, False)],
    )
    def test_one_std_of_the_baseline_and_better_is_bold(self, error: float, is_bold: bool) -> None:
        baseline = Estimate(5.3, 0.06, None, None, 3)
        ours = Estimate(error, 0.41, None, None, 3)  # its own std does not matter
        assert is_within_one_std(ours, baseline) is is_bold

    def test_the_very_edge_is_bold_in_whatever_unit(self) -> None:
        # 38.7 against 38.6 with a std of 0.10: bold in print; as floats 38.6 + 0.1 < 38.7.
        for scale in (1.0, 0.01):
            ours = Estimate(scale * 38.7, None, None, None, 3)
            assert is_within_one_std(ours, Estimate(scale * 38.6, scale * 0.10, None, None, 3))

    def test_beside_one_seed_nothing_is_bold(self) -> None:
        ours = estimate([0.1, 0.2])
        assert not is_within_one_std(ours, estimate([0.9]))
        assert not is_within_one_std(ours, None)
        assert not is_within_one_std(None, ours)
