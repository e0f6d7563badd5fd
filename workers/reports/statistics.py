"""Means and differences over seeds, with 95% intervals by Student's t."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from scipy.stats import t

from workers.simulation.results import ArmResult

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and half the width of its 95% interval; None with a single seed."""

    mean: float
    half_width: float | None
    n_seeds: int


@dataclass(frozen=True)
class Point:
    """One arm at one number of labels: the target's error, and its difference to the baseline.

    The difference is paired: arm minus baseline, seed by seed.
    """

    arm: str
    n_labels: int
    error: Estimate
    difference: Estimate | None


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of one value per seed with its interval."""
    n = len(values)
    if n < 2:
        return Estimate(mean(values), None, n)
    quantile = float(t.ppf((1 + CONFIDENCE) / 2, n - 1))
    return Estimate(mean(values), quantile * stdev(values) / n**0.5, n)


def points_of(results: Sequence[ArmResult], baseline: str) -> list[Point]:
    """Return every measured point, by arm and number of labels."""
    errors = {
        (result.name, n, result.seed): error
        for result in results
        for n, error in zip(result.n_labels, result.target_errors, strict=True)
    }
    points = []
    for arm, n in dict.fromkeys((arm, n) for arm, n, _ in errors):
        seeds = [seed for a, m, seed in errors if (a, m) == (arm, n)]
        paired = [seed for seed in seeds if (baseline, n, seed) in errors]
        difference = None
        if arm != baseline and paired:
            difference = estimate(
                [errors[arm, n, seed] - errors[baseline, n, seed] for seed in paired]
            )
        error = estimate([errors[arm, n, seed] for seed in seeds])
        points.append(Point(arm, n, error, difference))
    return points


def speedups(results: Sequence[ArmResult], arm: str, baseline: str) -> list[float]:
    """Return, seed by seed, how many times faster the arm selected than the baseline."""
    seconds = {(r.name, r.seed): r.selection_seconds for r in results}
    return [
        seconds[baseline, seed] / seconds[arm, seed]
        for name, seed in seconds
        if name == arm and seconds[arm, seed] > 0 and (baseline, seed) in seconds
    ]
