"""Stochastic batches: items drawn without replacement, by a power of their scores.

The highest scores of one proxy are often near-equal items. Source: Kirsch et al., "Stochastic Batch
Acquisition" (TMLR 2023), power acquisition: the highest of log score + Gumbel noise / power.
"""

import numpy as np

from selection.types import Ranking


def drawn_by_power(whole: Ranking, budget: int, power: float, rng: np.random.Generator) -> Ranking:
    """Return `budget` rows of a ranking of all rows, drawn by score ** power; a 0 comes last.

    The scores are the perturbed logarithms, so that they fall along the ranking.
    """
    order = np.argsort(whole.rows)  # the noise belongs to the row, whatever its rank
    scores = np.maximum(whole.scores[order], np.finfo(np.float64).tiny)
    return Ranking.of_highest(np.log(scores) + rng.gumbel(size=len(order)) / power, budget)
