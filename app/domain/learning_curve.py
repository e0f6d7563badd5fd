"""How accuracy grows with labels: intervals of measured shares, a fitted curve, the gain to expect.

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
N_DRAWS = 400
TINY = 1e-300
EXPONENTS = np.geomspace(0.05, 3.0, 80)


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
        """Wilson's 95% interval: within 0..1, and of some width even at 0 and 1."""
        return wilson_interval(self.n_right, self.n)


@dataclass(frozen=True)
class CurvePoint:
    """The accuracy that was measured with this many labels."""

    n_labels: int
    accuracy: Share


@dataclass(frozen=True)
class Gain:
    """By how much accuracy is expected to rise, with a 95% interval; shares, not percent."""

    n_from: int
    n_to: int
    expected: float
    low: float
    high: float


def expected_gain(
    points: Sequence[CurvePoint], n_from: int, n_to: int, rng: np.random.Generator
) -> Gain | None:
    """Return what labeling on from `n_from` to `n_to` labels is expected to bring.

    Fits error = floor + scale * labels ** -exponent to the points, weighted by their binomial
    noise. The interval comes from fits to N_DRAWS curves redrawn with that noise, which is enlarged
    where the points lie further from the curve than it explains: trainings vary too. Points
    measured on the same items vary less against each other than is assumed here, so that the
    interval is rather too wide.

    Returns:
        None with fewer than MIN_POINTS different numbers of labels.
    """
    if len({point.n_labels for point in points}) < MIN_POINTS:
        return None
    n_labels = np.array([point.n_labels for point in points], float)
    n = np.array([point.accuracy.n for point in points], float)
    errors = np.array([1 - point.accuracy.value for point in points])
    smoothed = (errors * n + 0.5) / (n + 1)
    weights = n / (smoothed * (1 - smoothed))
    ends = np.array([n_from, n_to], float)

    fitted, gain = _fit(n_labels, errors[None], weights, ends)
    chi_square = float((weights * (errors - fitted[0]) ** 2).sum())
    excess = max(1.0, chi_square / max(1, len(points) - MIN_POINTS))
    n_effective = np.maximum(1, np.rint(n / excess)).astype(np.int64)
    rates = np.clip(fitted[0], 0.5 / n_effective, 1 - 0.5 / n_effective)
    drawn = rng.binomial(n_effective, rates, (N_DRAWS, len(points))) / n_effective
    _, gains = _fit(n_labels, drawn, weights, ends)
    low, high = np.quantile(gains, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    expected = float(gain[0])
    return Gain(n_from, n_to, expected, min(float(low), expected), max(float(high), expected))


def _fit(
    n_labels: FloatArray, errors: FloatArray, weights: FloatArray, ends: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the least-squares curves at `n_labels`, and how far each falls between both ends.

    For a fixed exponent the law is linear in floor and scale, both at least 0, so that their best
    values have a closed form; the exponent is the best of EXPONENTS. No local minima, and all
    redrawn curves are fitted at once.

    Args:
        n_labels: [k].
        errors: measured or redrawn, [draws, k].
        weights: one over their variances, [k].
        ends: two numbers of labels.
    """
    x = (n_labels / n_labels.max()) ** -EXPONENTS[:, None]  # [exponents, k]
    share = weights / weights.sum()
    mean_x, mean_e = x @ share, (errors @ share)[:, None]
    centered = x - mean_x[:, None]  # sums of squares of close numbers would cancel
    variance = np.maximum(centered**2 @ share, TINY)
    scale = np.maximum((errors * share) @ centered.T / variance, 0)
    floor = mean_e - scale * mean_x
    # At most one of both is below 0, and then the best allowed fit has it at 0.
    scale = np.where(floor < 0, (errors * share) @ x.T / (x**2 @ share), scale)
    floor = np.maximum(floor, 0)
    curves = floor[..., None] + scale[..., None] * x  # [draws, exponents, k]
    residuals = ((curves - errors[:, None]) ** 2) @ weights
    draws, best = np.arange(len(errors)), residuals.argmin(axis=1)
    x_ends = (np.maximum(ends, 1) / n_labels.max()) ** -EXPONENTS[best][:, None]
    chosen = floor[draws, best][:, None] + scale[draws, best][:, None] * x_ends
    at_start, at_end = np.minimum(chosen, 1).T
    return curves[draws, best], at_start - at_end
