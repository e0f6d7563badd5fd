"""Calibration error and temperature: on probabilities whose truth is known."""

import numpy as np
import pytest
from scipy.special import softmax

from workers.steps.calibration import (
    FEWEST_ITEMS,
    calibration_error,
    fit_temperature,
    measure_calibration,
    reliability_bins,
    with_temperature,
)

Array = np.ndarray


def drawn(n: int, sharpness: float, seed: int = 0) -> tuple[Array, Array]:
    """Return probabilities [n, 4] that are `sharpness` times as sharp as the labels' own."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, 4))
    true = softmax(logits, axis=1)
    labels = (rng.random((n, 1)) > true.cumsum(axis=1)).sum(axis=1)
    return softmax(sharpness * logits, axis=1).astype(np.float32), labels


class TestTemperature:
    @pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
    def test_gives_back_how_much_too_sharp_the_probabilities_are(self, sharpness: float) -> None:
        assert fit_temperature(*drawn(4000, sharpness)) == pytest.approx(sharpness, rel=0.1)

    def test_of_one_changes_nothing(self) -> None:
        probs, _ = drawn(50, 1.0)
        assert with_temperature(probs, 1.0) == pytest.approx(probs, abs=1e-6)

    def test_keeps_the_predicted_class_and_stands_exact_zeros(self) -> None:
        probs = np.array([[1.0, 0.0], [0.2, 0.8]])
        scaled = with_temperature(probs, 2.5)
        assert scaled.argmax(axis=1).tolist() == [0, 1]
        assert np.isfinite(fit_temperature(probs, np.array([1, 1])))


class TestError:
    def test_is_the_gap_between_confidence_and_accuracy_weighted_by_bin(self) -> None:
        probs = np.array([[0.9, 0.1]] * 10 + [[0.6, 0.4]] * 10)
        labels = np.array([0] * 7 + [1] * 3 + [0] * 6 + [1] * 4)
        found = calibration_error(probs, labels, np.random.default_rng(0))
        assert found.value == pytest.approx(0.5 * 0.2)
        assert found.low <= found.value <= found.high
        (low, high) = reliability_bins(probs, labels)
        assert (low.n, low.n_right) == (10, 6)
        assert low.confidence == pytest.approx(0.6)
        assert (high.n, high.n_right) == (10, 7)
        assert low.low <= 0.6 < low.high

    def test_by_chance_a_calibrated_model_stays_below_in_19_of_20(self) -> None:
        below = []
        for seed in range(60):
            found = calibration_error(*drawn(200, 1.0, seed), np.random.default_rng(seed))
            below.append(found.value <= found.by_chance)
        assert np.mean(below) > 0.85
        sharp = calibration_error(*drawn(200, 4.0), np.random.default_rng(0))
        assert sharp.value > sharp.by_chance


def test_half_is_fitted_on_and_half_is_measured() -> None:
    probs, labels = drawn(1001, 4.0)
    found = measure_calibration(probs, labels, np.random.default_rng(1))
    assert found is not None
    assert (found.n_fitted, found.n_measured) == (500, 501)
    assert found.error_scaled.value < found.error.value / 2
    assert sum(b.n for b in found.bins) == 501
    few = slice(FEWEST_ITEMS - 1)
    assert measure_calibration(probs[few], labels[few], np.random.default_rng(1)) is None
