"""The fitted learning curve: intervals and the expected gain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from app.domain.learning_curve import (
    EXPONENTS,
    TRAINING_NOISE,
    CurvePoint,
    Gain,
    Share,
    expected_gain,
    falls_faster,
)
from app.domain.stopping import Evidence, StopRule, advise


def gain_of(points: list[CurvePoint], n_from: int, n_to: int) -> Gain:
    gain = expected_gain(points, n_from, n_to, np.random.default_rng(0))
    assert gain is not None
    return gain


def curve(floor: float, scale: float, exponent: float, n: int = 10**7) -> list[CurvePoint]:
    """Return exact points of a learning curve, measured on n items."""
    labels = (100, 200, 400, 800, 1600)
    errors = [floor + scale * m**-exponent for m in labels]
    return [
        CurvePoint(m, Share(round((1 - error) * n), n))
        for m, error in zip(labels, errors, strict=True)
    ]


class TestInterval:
    @given(st.integers(1, 5000), st.floats(0, 1))
    def test_is_wilsons(self, n: int, share: float) -> None:
        measured = Share(round(share * n), n)
        reference = binomtest(measured.n_right, n).proportion_ci(0.95, method="wilson")
        assert measured.interval == pytest.approx((reference.low, reference.high), abs=1e-9)

    @given(st.integers(1, 5000), st.floats(0, 1))
    def test_holds_the_share_and_stays_within_0_and_1(self, n: int, share: float) -> None:
        measured = Share(round(share * n), n)
        low, high = measured.interval
        assert 0 <= low <= measured.value <= high <= 1
        assert low < high


class TestExpectedGain:
    @settings(max_examples=30)
    @given(st.floats(0, 0.2), st.floats(1, 5), st.floats(0.2, 1.2))
    def test_exact_points_give_about_the_curves_own_fall(
        self, floor: float, scale: float, exponent: float
    ) -> None:
        scale = min(scale, 0.7 * 100**exponent)
        gain = gain_of(curve(floor, scale, exponent), 1600, 3200)
        true = scale * (1600**-exponent - 3200**-exponent)
        assert gain.expected == pytest.approx(true, rel=0.3, abs=0.01)
        assert gain.low <= true <= gain.high

    @pytest.mark.parametrize("errors", [(0.3, 0.25, 0.23), (0.4, 0.33, 0.31, 0.28, 0.27)])
    def test_gain_is_that_of_the_law_integrated_by_brute_force(
        self, errors: tuple[float, ...]
    ) -> None:
        n, m = 1000, 100.0 * np.arange(1, len(errors) + 1)
        rates = (np.array(errors) * n + 0.5) / (n + 1)
        floors, scales = np.meshgrid((np.arange(100) + 0.5) / 250, (np.arange(100) + 0.5) / 250)
        total = mean = 0.0
        for noise in TRAINING_NOISE:
            sigma = np.sqrt(rates * (1 - rates) * (1 / n + noise**2))
            for exponent in EXPONENTS:
                likelihood = np.ones_like(floors)
                for labels, error, s in zip(m, errors, sigma, strict=True):
                    law = floors + scales * (labels / m[-1]) ** -exponent
                    likelihood *= np.exp(-0.5 * ((error - law) / s) ** 2) / s
                ahead = 1 - ((m[-1] + 100) / m[-1]) ** -exponent
                total += likelihood.sum()
                mean += (likelihood * scales * ahead).sum()
        points = [
            CurvePoint(int(labels), Share(round(n * (1 - e)), n))
            for labels, e in zip(m, errors, strict=True)
        ]
        gain = gain_of(points, int(m[-1]), int(m[-1]) + 100)
        assert gain.expected == pytest.approx(mean / total, rel=0.1)

    @pytest.mark.parametrize("n_rounds", [3, 4, 6])
    def test_interval_covers_the_gain_that_trainings_show(self, n_rounds: int) -> None:
        n, covered, mean_covered, repetitions = 2000, 0, 0, 0
        labels = 100 * np.arange(1, n_rounds + 2)
        for seed in range(80):
            rng = np.random.default_rng(seed)
            floor, exponent = rng.uniform(0, 0.15), rng.choice([0.2, 0.35, 0.5, 0.8, 1.2])
            mean = floor + (rng.uniform(0.25, 0.6) - floor) * (labels / 100) ** -exponent
            noise = 0.03 * np.sqrt(mean * (1 - mean))  # from one training to the next
            errors = mean + noise * rng.standard_normal(len(labels))
            points = [
                CurvePoint(int(m), Share(n - int(rng.binomial(n, e)), n))
                for m, e in zip(labels[:-1], errors, strict=False)
            ]
            gain = expected_gain(points, int(labels[-2]), int(labels[-1]), rng)
            if gain is not None:
                repetitions += 1
                covered += gain.low <= errors[-2] - errors[-1] <= gain.high
                mean_covered += mean[-2] - mean[-1] <= gain.mean_high
        assert repetitions >= 50
        assert covered / repetitions >= 0.95 - 2 * (0.95 * 0.05 / repetitions) ** 0.5
        assert mean_covered / repetitions >= 0.85

    @pytest.mark.parametrize(
        "errors",
        [
            (0.485, 0.394, 0.141),  # digits, 80 labels a round: the next ones were 0.070, 0.060
            (0.485, 0.394, 0.141, 0.070, 0.060, 0.024, 0.034),
            (0.5, 0.45, 0.3, 0.1),
        ],
    )
    def test_nothing_is_foretold_while_the_error_falls_faster_than_the_law(
        self, errors: tuple[float, ...]
    ) -> None:
        points = [
            CurvePoint(80 * (i + 1), Share(round(497 * (1 - error)), 497))
            for i, error in enumerate(errors)
        ]
        assert falls_faster(points)
        n = points[-1].n_labels
        assert expected_gain(points, n, n + 80, np.random.default_rng(0)) is None
        advice = advise(StopRule(), Evidence([], None, 80, falls_faster=True))
        assert "falls faster" in advice.reasons[1]

    @settings(max_examples=30)
    @given(st.floats(0, 0.2), st.floats(1, 5), st.floats(0.2, 1.2))
    def test_no_curve_of_the_law_falls_faster_than_it(
        self, floor: float, scale: float, exponent: float
    ) -> None:
        assert not falls_faster(curve(floor, min(scale, 0.7 * 100**exponent), exponent))

    @settings(max_examples=30)
    @given(
        st.lists(
            st.tuples(st.integers(1, 10**6), st.integers(1, 500), st.floats(0, 1)), max_size=8
        ),
        st.integers(0, 10**6),
        st.integers(1, 10**6),
    )
    def test_any_measurements_give_a_gain_that_is_not_negative(
        self, drawn: list[tuple[int, int, float]], n_from: int, step: int
    ) -> None:
        points = [CurvePoint(m, Share(round(share * n), n)) for m, n, share in drawn]
        gain = expected_gain(points, n_from, n_from + step, np.random.default_rng(0))
        if len({m for m, _, _ in drawn}) < 3 or falls_faster(points):
            assert gain is None
            return
        assert gain is not None
        assert -1 <= gain.low <= gain.expected <= gain.high <= 1
        assert 0 <= gain.expected <= gain.mean_high <= 1

    def test_numbers_of_labels_that_hardly_differ_give_a_gain_too(self) -> None:
        for first in (10**6, 2**40):
            points = [CurvePoint(first + i, Share(90 + i, 100)) for i in range(3)]
            gain = gain_of(points, first + 2, first + 3)
            assert -1 <= gain.low <= gain.expected <= gain.high <= 1

    def test_fewer_evaluation_items_give_a_wider_interval(self) -> None:
        few = gain_of(curve(0.05, 2.0, 0.6, n=200), 1600, 3200)
        many = gain_of(curve(0.05, 2.0, 0.6, n=20_000), 1600, 3200)
        assert few.high - few.low > 1.5 * (many.high - many.low)

    def test_trainings_that_vary_more_than_binomial_noise_widen_it(self) -> None:
        smooth = curve(0.05, 2.0, 0.6, n=20_000)
        rough = [
            CurvePoint(p.n_labels, Share(p.accuracy.n_right + (-1) ** i * 300, p.accuracy.n))
            for i, p in enumerate(smooth)
        ]
        narrow, wide = gain_of(smooth, 1600, 3200), gain_of(rough, 1600, 3200)
        assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
