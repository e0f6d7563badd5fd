"""The strategy that needs no model: the cold start, and the baseline of every comparison."""

import numpy as np

from selection.arrays import Scores
from selection.types import Ranking, Signals


def rank(signals: Signals, budget: int, rng: np.random.Generator) -> Ranking:
    """Return the ranking by `uniform`."""
    return Ranking.of_highest(uniform(signals.n, rng), budget)


def uniform(n: int, rng: np.random.Generator) -> Scores:
    """Return a random score in [0, 1) for each of n rows, so that ranking by it permutes them."""
    return rng.random(n)
