"""Calibration: whether a model that is 80% sure is right 80% of the time, and what mends it.

Source: Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017): the expected calibration
error (ECE) over bins of equal width, and temperature scaling.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from models.data.types import FloatArray
from selection.arrays import IntArray

Floats = npt.NDArray[np.float64]

N_BINS = 15
N_DRAWS = 500
FEWEST_ITEMS = 40  # of the evaluation split: two halves of twenty
TAIL = 0.025
TEMPERATURES = (0.05, 20.0)
TINY = 1e-30  # a probability of exactly 0 keeps a finite logarithm


@dataclass(frozen=True)
class CalibrationError:
    """The ECE of n items.

    Attributes:
        value: the error itself.
        low, high: 95% bootstrap interval over the items.
        by_chance: with 95% probability a model that is perfectly calibrated, and as sure, shows no
            more than this on as many items.
    """

    value: float
    low: float
    high: float
    by_chance: float


@dataclass(frozen=True)
class Bin:
    """Items whose confidence lies between `low` and `high`: mean confidence, and how many right."""

    low: float
    high: float
    confidence: float
    n_right: int
    n: int


@dataclass(frozen=True)
class Calibration:
    """Calibration on one half of the evaluation split, with a temperature fitted on the other.

    Attributes:
        temperature: logits are divided by it; above 1 the model is too sure of itself.
        n_fitted, n_measured: items of the halves.
        error, error_scaled: of the probabilities as they are, and with the temperature.
        bins: of the probabilities as they are; bins without items are left out.
    """

    temperature: float
    n_fitted: int
    n_measured: int
    error: CalibrationError
    error_scaled: CalibrationError
    bins: list[Bin]


def measure_calibration(
    probs: FloatArray, labels: IntArray, rng: np.random.Generator
) -> Calibration | None:
    """Return the calibration of probabilities [n, C]; None of fewer than FEWEST_ITEMS items."""
    if len(labels) < FEWEST_ITEMS:
        return None
    order = rng.permutation(len(labels))
    fitted, measured = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    temperature = fit_temperature(probs[fitted], labels[fitted])
    plain, scaled = probs[measured], with_temperature(probs[measured], temperature)
    return Calibration(
        temperature,
        len(fitted),
        len(measured),
        calibration_error(plain, labels[measured], rng),
        calibration_error(scaled, labels[measured], rng),
        reliability_bins(plain, labels[measured]),
    )


def fit_temperature(probs: FloatArray | Floats, labels: IntArray) -> float:
    """Return the temperature with the least negative log likelihood of the labels, [n]."""
    logits = np.log(np.maximum(probs, TINY).astype(np.float64))
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(scaled[rows, labels].mean())

    bounds = tuple(np.log(TEMPERATURES))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def with_temperature(probs: FloatArray | Floats, temperature: float) -> Floats:
    """Return the probabilities [n, C] of logits divided by the temperature."""
    logits = np.log(np.maximum(probs, TINY).astype(np.float64))
    found: Floats = softmax(logits / temperature, axis=1)
    return found


def calibration_error(
    probs: FloatArray | Floats, labels: IntArray, rng: np.random.Generator
) -> CalibrationError:
    """Return the ECE of probabilities [n, C] for labels [n]."""
    n, confidence = len(labels), probs.max(axis=1).astype(np.float64)
    is_right = probs.argmax(axis=1) == labels
    place = _bin_of(confidence)
    value = _ece(confidence[None], is_right[None], place[None])[0]
    rows = rng.integers(0, n, (N_DRAWS, n))
    drawn = _ece(confidence[rows], is_right[rows], place[rows])
    low, high = np.quantile(drawn, (TAIL, 1 - TAIL))
    by_chance = rng.random((N_DRAWS, n)) < confidence
    again = np.broadcast_to(confidence, by_chance.shape)
    if_calibrated = _ece(again, by_chance, np.broadcast_to(place, by_chance.shape))
    return CalibrationError(
        float(value),
        float(min(low, value)),
        float(max(high, value)),
        float(np.quantile(if_calibrated, 1 - 2 * TAIL)),
    )


def reliability_bins(probs: FloatArray | Floats, labels: IntArray) -> list[Bin]:
    """Return the bins that hold items, by confidence: what a reliability diagram shows."""
    confidence = probs.max(axis=1).astype(np.float64)
    is_right, place = probs.argmax(axis=1) == labels, _bin_of(confidence)
    return [
        Bin(
            b / N_BINS,
            (b + 1) / N_BINS,
            float(confidence[place == b].mean()),
            int(is_right[place == b].sum()),
            int((place == b).sum()),
        )
        for b in np.unique(place).tolist()
    ]


def _bin_of(confidence: Floats) -> IntArray:
    return np.minimum((confidence * N_BINS).astype(np.int64), N_BINS - 1)


def _ece(confidence: Floats, is_right: npt.NDArray[np.bool_], place: IntArray) -> Floats:
    """Return the ECE of each of t draws of n items, [t]; all arguments are [t, n]."""
    t, n = confidence.shape
    cell = (place + N_BINS * np.arange(t)[:, None]).ravel()
    gaps = np.bincount(cell, (confidence - is_right).ravel(), minlength=t * N_BINS)
    found: Floats = np.abs(gaps).reshape(t, N_BINS).sum(axis=1) / n
    return found
