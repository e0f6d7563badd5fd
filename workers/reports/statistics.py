"""Means, ratios and paired differences over seeds, with 95% intervals by Student's t."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy import stats

CONFIDENCE = 0.95
Place = TypeVar("Place", int, float)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its spread; std, low and high are None with a single seed.

    Attributes:
        std: sample standard deviation of the seeds' values.
        low, high: ends of the mean's 95% interval.
    """

    mean: float
    std: float | None
    low: float | None
    high: float | None
    n_seeds: int

    @property
    def margins(self) -> tuple[float, float]:
        """Distances of the interval's ends below and above the mean; 0 with a single seed."""
        if self.low is None or self.high is None:
            return 0.0, 0.0
        return self.mean - self.low, self.high - self.mean


def mean_of(values: Mapping[Place, Mapping[int, float]], place: Place) -> Estimate | None:
    """Return the mean at one place (a number of labels, a share kept) of place -> seed -> value.

    None where nothing was measured there.
    """
    return estimate(list(values[place].values())) if place in values else None


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of one value per seed with its interval."""
    n = len(values)
    mean = float(np.mean(values))
    if n < 2:
        return Estimate(mean, None, None, None, n)
    std = float(np.std(values, ddof=1))
    low, high = _interval(mean, std / n**0.5, n - 1)
    return Estimate(mean, std, low, high, n)


def ratio(values: Sequence[float]) -> Estimate:
    """Return the geometric mean of one positive ratio per seed, with its interval.

    It is the mean of the logarithms, taken back: which of two times is above the line does not
    matter, and one seed on a busy machine weighs less than in a mean of ratios.
    """
    logs = estimate(np.log(values).tolist())
    mean = float(np.exp(logs.mean))
    if logs.low is None or logs.high is None:
        return Estimate(mean, None, None, None, logs.n_seeds)
    std = float(np.std(values, ddof=1))
    return Estimate(mean, std, float(np.exp(logs.low)), float(np.exp(logs.high)), logs.n_seeds)


def paired(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Estimate | None:
    """Return the mean of ours minus theirs over the seeds that both have; None without one."""
    seeds = [seed for seed in ours if seed in theirs]
    return estimate([ours[seed] - theirs[seed] for seed in seeds]) if seeds else None


def paired_ratio(above: Mapping[int, float], below: Mapping[int, float]) -> Estimate | None:
    """Return the mean ratio of both over the seeds that both have positive; None without one."""
    seeds = [seed for seed in above if above[seed] > 0 and below.get(seed, 0.0) > 0]
    return ratio([above[seed] / below[seed] for seed in seeds]) if seeds else None


def correlations(values: Sequence[float]) -> Estimate:
    """Return the mean of one correlation per seed; its interval is Student's t on Fisher's z."""
    mean, n = float(np.mean(values)), len(values)
    z = estimate(_fisher(values).tolist())
    if z.low is None or z.high is None:
        return Estimate(mean, None, None, None, n)
    std = float(np.std(values, ddof=1))
    return Estimate(mean, std, float(np.tanh(z.low)), float(np.tanh(z.high)), n)


def correlations_of_pairs(values: Mapping[tuple[int, int], float]) -> Estimate:
    """Return the mean correlation over pairs of runs; its interval allows for shared runs.

    Twenty pairs of five runs are not twenty independent values. The interval is that of the
    jackknife on Fisher's z: the mean is taken again without each run and all its pairs; Student's
    t with one degree less than runs. Below 3 runs there is no interval. `n_seeds` counts the runs.
    """
    runs = sorted({run for pair in values for run in pair})
    found, n = list(values.values()), len(runs)
    mean = float(np.mean(found))
    std = float(np.std(found, ddof=1)) if len(found) > 1 else None
    z = dict(zip(values, _fisher(found).tolist(), strict=True))
    without = [[one for pair, one in z.items() if run not in pair] for run in runs]
    if n < 3 or not all(without):
        return Estimate(mean, std, None, None, n)
    left_out = np.asarray([np.mean(some) for some in without])
    error = float(np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2)))
    low, high = _interval(float(np.mean(list(z.values()))), error, n - 1)
    return Estimate(mean, std, float(np.tanh(low)), float(np.tanh(high)), n)


def is_within_one_std(error: Estimate | None, baseline: Estimate | None) -> bool:
    """Whether the paper's rule sets a setting bold: at most one std above the baseline's error.

    Both in the same unit. The std is the baseline's; a lower error is bold however much lower.
    Nothing is bold if the baseline is unknown or has one seed, and so no std.

    Source: the caption of Table 1, and which of its cells are bold (CIFAR10, ResNet20: at 50%, 5.4
    with a std of 0.41 against 5.3 with 0.06 is not; at 10%, 18.1 against 18.7 with 0.31 is).
    """
    if error is None or baseline is None or baseline.std is None:
        return False
    slack = 1e-9 * max(abs(baseline.mean), 1.0)  # 38.7 against 38.6 +- 0.10 is bold in print
    return error.mean <= baseline.mean + baseline.std + slack


def _fisher(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return the inverse hyperbolic tangents, those of -1 and 1 as of the nearest floats inside."""
    return np.arctanh(
        np.clip(np.asarray(values, np.float64), np.nextafter(-1, 0), np.nextafter(1, 0))
    )


def _interval(mean: float, standard_error: float, degrees: int) -> tuple[float, float]:
    if standard_error == 0:  # scipy answers nan
        return mean, mean
    low, high = stats.t.interval(CONFIDENCE, degrees, loc=mean, scale=standard_error)
    return float(low), float(high)
