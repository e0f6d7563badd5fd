"""The control arm: a share of the batch drawn uniformly, an unbiased sample of the pool.

A strategy's batch is not a sample of the pool: accuracy or class shares measured on it say nothing
about the pool. The control items do.
"""

import numpy as np

from selection.arrays import Rows
from selection.types import Ranking


def control_places(budget: int, fraction: float) -> Rows:
    """Return the places of a ranking of b items that are the control arm's, ascending.

    They are spread evenly: every prefix holds its share, rounded up.
    """
    ends = np.ceil(np.arange(budget + 1) * fraction - 1e-9)
    return np.flatnonzero(np.diff(ends) > 0)


def draw_control(n: int, budget: int, fraction: float, rng: np.random.Generator) -> Rows:
    """Return the control items' rows in order of drawing: the first of a permutation of all n."""
    n_control = len(control_places(budget, fraction))
    # Without a control arm nothing is permuted, which takes seconds for millions of rows.
    return rng.permutation(n)[:n_control] if n_control else np.empty(0, np.int64)


def interleave(control: Rows, ranking: Ranking, fraction: float) -> tuple[Ranking, Rows]:
    """Return the control items at their places in the ranking, and these places.

    A control item's score is that of the item ranked after it, so that scores keep falling; it
    says nothing of the item.

    Args:
        control: rows that `draw_control` gave; not among the ranking's.
        ranking: of the other rows.
        fraction: the one that they were drawn with.
    """
    budget = len(control) + len(ranking.rows)
    places = control_places(budget, fraction)[: len(control)]
    is_control = np.zeros(budget, bool)
    is_control[places] = True
    rows = np.empty(budget, np.int64)
    rows[places], rows[~is_control] = control, ranking.rows
    following = np.cumsum(~is_control) - (~is_control)
    last = max(len(ranking.scores) - 1, 0)
    scores = np.append(ranking.scores, 0.0)[np.minimum(following, last)]
    return Ranking(rows, scores.astype(np.float64)), places
