"""Correlation of the orders of items, by Spearman and by Pearson, between runs and models.

An array of scores has one value per item. NaN: the item has no rank in this order (the first
centres of greedy k-centers). Infinity: the count of forgetting events of an item that was never
right.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from scipy import stats

from workers.reports.statistics import Estimate, correlations_of_pairs

FloatArray = npt.NDArray[np.float64]
Correlate = Callable[[FloatArray, FloatArray], float]
Runs = Mapping[int, FloatArray]


def spearman(first: FloatArray, second: FloatArray) -> float:
    """Return the rank correlation over the items that have a place in both orders.

    Ties share their mean rank; infinite scores are tied at the top. NaN where one of both orders
    tells no two items apart.
    """
    both = ~(np.isnan(first) | np.isnan(second))
    first, second = first[both], second[both]
    if _is_constant(first) or _is_constant(second):
        return float("nan")
    return float(stats.spearmanr(first, second).statistic)


def pearson(first: FloatArray, second: FloatArray) -> float:
    """Return the linear correlation over the items that are finite in both.

    Items that one of both never learned have no count of forgetting events and are left out. NaN
    where the rest is constant in one of both.
    """
    both = np.isfinite(first) & np.isfinite(second)
    first, second = first[both], second[both]
    if _is_constant(first) or _is_constant(second):
        return float("nan")
    return float(stats.pearsonr(first, second).statistic)


def between_runs(first: Runs, second: Runs, correlate: Correlate) -> Estimate | None:
    """Return the mean correlation over pairs of different runs, of one model or of two.

    Args:
        first: seed -> scores of a model's runs.
        second: those of another model, or the same object for pairs of its own runs.
        correlate: `spearman` or `pearson`.

    A pair of two models has two different seeds, as in the paper (20 pairs of 5 runs); where both
    models have one and the same seed alone, that pair counts. None without a pair for which the
    correlation is defined.
    """
    if first is second:
        pairs = [(a, b) for a in first for b in first if a < b]
    else:
        pairs = [(a, b) for a in first for b in second if a != b]
        pairs = pairs or [(seed, seed) for seed in first if seed in second]
    found = {(a, b): correlate(first[a], second[b]) for a, b in pairs}
    defined = {pair: value for pair, value in found.items() if not np.isnan(value)}
    return correlations_of_pairs(defined) if defined else None


def between_models(
    models: Mapping[str, Runs], correlate: Correlate
) -> dict[tuple[str, str], Estimate | None]:
    """Return `between_runs` of every two models, both ways, and of each with itself."""
    names = list(models)
    found: dict[tuple[str, str], Estimate | None] = {}
    for place, first in enumerate(names):
        for second in names[place:]:
            value = between_runs(models[first], models[second], correlate)
            found[first, second] = found[second, first] = value
    return found


def _is_constant(values: FloatArray) -> bool:
    return len(values) < 2 or bool((values == values[0]).all())
