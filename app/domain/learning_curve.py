"""The learning curve: intervals of measured shares, a fitted curve, and the expected gain.

Source: the inverse power law of learning curves (Cortes et al., NIPS 1993; Figueroa et al., BMC
Medical Informatics 2012); Wilson's interval (JASA 1927).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.domain.agreement import wilson_interval

FloatArray = npt.NDArray[np.float64]
CONFIDENCE = 0.95
MIN_POINTS = 3  # the law has three parameters
DRAWS_PER_CELL = 64
EXPONENTS = np.geomspace(0.05, 3.0, 40)
# Standard deviation of an accuracy from one training to the next, in units of sqrt(p (1 - p)). A
# few points cannot tell it; stored runs had 0.01 (fastText) to 0.06 (networks, hundreds of labels).
TRAINING_NOISE = np.geomspace(0.005, 0.08, 6)
USUAL_NOISE = 0.02
TINY = 1e-300


@dataclass(frozen=True)
class Share:
    """A measured share: `n_right` of `n` items."""

    n_right: int
    n: int

    @property
    def value(self) -> float:
        """The share itself."""
        return self.n_right / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval: within 0..1, and not empty even at 0 and 1."""
        return wilson_interval(self.n_right, self.n)


@dataclass(frozen=True)
class CurvePoint:
    """The accuracy that was measured with this many labels."""

    n_labels: int
    accuracy: Share


@dataclass(frozen=True)
class Gain:
    """The expected rise of accuracy; shares, not percent.

    Attributes:
        expected: mean over trainings.
        low, high: 95% interval of the gain that one training at each end shows.
        mean_high: upper end of the 95% interval of the mean over trainings.
    """

    n_from: int
    n_to: int
    expected: float
    low: float
    high: float
    mean_high: float


def falls_faster(points: Sequence[CurvePoint]) -> bool:
    """Whether the error falls faster than the law allows, so that it predicts nothing yet.

    Against the logarithm of the labels, the logarithm of floor + scale * labels ** -exponent is
    straight or bends upwards. A weighted parabola that bends downwards by more than its standard
    error says that the law does not hold yet: learning has not left its steep beginning.
    """
    if len({point.n_labels for point in points}) < MIN_POINTS:
        return False
    n_labels, n, _, rates = _arrays(points)
    x = np.log1p((n_labels - n_labels.max()) / n_labels.max())  # exact where they hardly differ
    x = x / -x.min()
    columns = np.stack([np.ones_like(x), x, x**2], axis=1)
    weights = rates / (1 - rates) / (1 / n + USUAL_NOISE**2)  # one over variances of the logarithm
    covariance = np.linalg.pinv((columns * weights[:, None]).T @ columns)
    fitted = covariance @ (columns * weights[:, None]).T @ np.log(rates)
    chi_square = weights @ (np.log(rates) - columns @ fitted) ** 2
    excess = max(1.0, chi_square / max(1, len(points) - MIN_POINTS))
    return bool(fitted[2] < -np.sqrt(excess * covariance[2, 2]))


def expected_gain(
    points: Sequence[CurvePoint], n_from: int, n_to: int, rng: np.random.Generator
) -> Gain | None:
    """Return the expected gain from labeling further, from `n_from` to `n_to` labels.

    The law is error = floor + scale * labels ** -exponent. Every exponent and every amount of
    training noise is weighted by how well the law then explains the points; for each, floor and
    scale are drawn as the points leave them open, both at least 0. A point varies by its binomial
    noise and by the noise of its training; one training at either end varies by the latter too.

    Returns:
        None with fewer than MIN_POINTS different numbers of labels, and while the error
        `falls_faster` than the law.
    """
    if len({point.n_labels for point in points}) < MIN_POINTS or falls_faster(points):
        return None
    n_labels, n, errors, rates = _arrays(points)
    spread = rates * (1 - rates)
    variances = spread * (1 / n + TRAINING_NOISE[:, None] ** 2)  # [noises, k]
    scale, weight, exponent, noise = _draw(n_labels, errors, variances, rng)
    ends = np.maximum(np.array([n_from, n_to], float), 1) / n_labels.max()
    at_ends = ends[:, None] ** -EXPONENTS[exponent]
    gains = np.minimum(scale * (at_ends[0] - at_ends[1]), 1.0)
    last_spread = spread[n_labels.argmax()]
    of_one = np.sqrt(2 * last_spread) * TRAINING_NOISE[noise] * rng.standard_normal(len(gains))
    tail = (1 - CONFIDENCE) / 2
    low, high = _quantiles(gains + of_one, weight, (tail, 1 - tail))
    (mean_high,) = _quantiles(gains, weight, (1 - tail,))
    expected = float(gains @ weight)
    low, high = max(-1.0, min(low, expected)), min(1.0, max(high, expected))
    return Gain(n_from, n_to, expected, low, high, max(mean_high, expected))


def _arrays(
    points: Sequence[CurvePoint],
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return each point's labels, items measured on, error, and error kept away from 0 and 1."""
    n_labels = np.array([point.n_labels for point in points], float)
    n = np.array([point.accuracy.n for point in points], float)
    errors = np.array([1 - point.accuracy.value for point in points])
    return n_labels, n, errors, (errors * n + 0.5) / (n + 1)


def _draw(
    n_labels: FloatArray, errors: FloatArray, variances: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return draws of the law: scale at the most labels, weight, row of exponent and of noise.

    For a fixed exponent the law is linear in scale and in the error at the most labels, whose
    posterior under a flat prior is normal; draws with a negative floor or scale weigh nothing.

    Args:
        n_labels: [k].
        errors: measured, [k].
        variances: of the errors, for each amount of training noise, [noises, k].
        rng: draws.
    """
    # error = end + scale * (x - 1), x = (labels / most) ** -exponent; end = floor + scale.
    rise = (n_labels / n_labels.max()) ** -EXPONENTS[:, None] - 1.0  # [exponents, k]
    w = 1.0 / variances
    s0, s1, s2 = w.sum(axis=1), w @ rise.T, w @ (rise**2).T  # [noises], [noises, exponents] twice
    e0, e1 = w @ errors, (w * errors) @ rise.T
    determinant = np.maximum(s0[:, None] * s2 - s1**2, TINY)
    scale = (s0[:, None] * e1 - s1 * e0[:, None]) / determinant
    end = (s2 * e0[:, None] - s1 * e1) / determinant
    residuals = errors - end[..., None] - scale[..., None] * rise  # [noises, exponents, k]
    chi_square = (w[:, None] * residuals**2).sum(axis=2)
    log_weight = 0.5 * (np.log(w).sum(axis=1)[:, None] - chi_square - np.log(determinant))
    z = rng.standard_normal((2, *scale.shape, DRAWS_PER_CELL))
    drawn = scale[..., None] + np.sqrt(s0[:, None] / determinant)[..., None] * z[0]
    given = end[..., None] - (s1 / s0[:, None])[..., None] * (drawn - scale[..., None])
    ends = given + z[1] / np.sqrt(s0)[:, None, None]
    is_allowed = (drawn >= 0) & (drawn <= ends) & (ends <= 1)
    weight = np.exp(log_weight - log_weight.max())[..., None] * is_allowed
    if not weight.any():  # rising errors: a constant is the nearest that the law allows
        drawn, weight = np.zeros_like(drawn), np.ones_like(drawn)
    noise, exponent, _ = np.indices(drawn.shape)
    return drawn.ravel(), weight.ravel() / weight.sum(), exponent.ravel(), noise.ravel()


def _quantiles(
    values: FloatArray, weights: FloatArray, shares: tuple[float, ...]
) -> tuple[float, ...]:
    order = values.argsort()
    places = np.searchsorted(np.cumsum(weights[order]), shares)
    return tuple(float(value) for value in values[order[np.minimum(places, len(order) - 1)]])
