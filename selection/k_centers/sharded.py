"""Greedy k-centers of a pool that lies in shards, on one machine or many: exact.

One exchange a step: every shard proposes its farthest item with its vector, all take the same one
as the next centre. A shard finds its farthest item lazily, by the same blocks as a whole pool.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from selection.arrays import FloatArray, Rows, Scores
from selection.errors import BudgetError
from selection.k_centers.cpu import PICKED, add_centre
from selection.k_centers.run import KCenters


@dataclass(frozen=True)
class ShardGroup:
    """The shards of one pool, seen from one of them.

    Attributes:
        rank: place of this shard among them.
        exchange: all-gather: takes this shard's message, [w], and returns those of all shards in
            their order, [n_shards, w].
    """

    rank: int
    exchange: Callable[[Scores], Scores]


NOTHING = -1.0  # proposed distance of a shard that has no item left


def sharded_k_centers(
    features: FloatArray,
    labeled_features: FloatArray | None,
    budget: int,
    rng: np.random.Generator,
    group: ShardGroup,
) -> tuple[Rows, Scores]:
    """Return the result of `greedy_k_centers` on the whole pool; the same on every shard.

    Args:
        features: of this shard, [n_shard >= 1, d]; the pool is the shards' rows in their order.
        labeled_features: the first centres, [m, d]: the same on every shard.
        budget: b.
        rng: in the same state on every shard; used only where there is no labeled row.
        group: how this shard reaches the others.

    Raises:
        BudgetError: the budget is outside 0..n, n rows of all shards.
    """
    sizes = group.exchange(np.array([float(len(features))]))[:, 0].astype(np.int64)
    n, offset = int(sizes.sum()), int(sizes[: group.rank].sum())
    if not 0 <= budget <= n:
        raise BudgetError(budget, n)
    shard = Shard(features, labeled_features, budget)
    shard.start()
    rows, squared_radii = np.empty(budget, np.int64), np.empty(budget)
    for step in range(budget):
        if shard.n_centres == 0:
            drawn = int(rng.integers(n))
            squared, row = np.inf, drawn - offset if 0 <= drawn - offset < len(features) else -1
        else:
            squared, row = shard.farthest()
        proposals = group.exchange(_message(squared, row, offset, shard.problem.features))
        # The largest distance, the lowest row of the pool on ties.
        winner = np.lexsort((proposals[:, 1], -proposals[:, 0], proposals[:, 1] < 0))[0]
        squared_radii[step], rows[step] = proposals[winner, :2]
        shard.add(proposals[winner, 2:], int(rows[step]) - offset)
    if labeled_features is None or not len(labeled_features):
        squared_radii[:1] = _farthest_of_first(squared_radii, shard, group)
    return rows, np.sqrt(squared_radii)


class Shard(KCenters):
    """One shard's part of a selection in progress; centres may lie in other shards."""

    def __init__(
        self, features: FloatArray, labeled_features: FloatArray | None, budget: int
    ) -> None:
        m = 0 if labeled_features is None else len(labeled_features)
        centres = np.zeros((m + budget, features.shape[1]))
        if labeled_features is not None:
            centres[:m] = labeled_features
        super().__init__(features, centres, 0)
        self.m, self._centres = m, centres
        self._survivors: tuple[Rows, float] | None = None

    def farthest(self) -> tuple[float, int]:
        """Return (squared distance, row of this shard) of the item farthest from all centres.

        (NOTHING, -1) if all are picked.
        """
        bounds = self.state.bounds
        while True:
            if self._survivors is None:
                self._survivors = self.find_survivors()
            if self._survivors is None:
                rest = np.flatnonzero(bounds == 0)
                return (0.0, int(rest[0])) if len(rest) else (NOTHING, -1)
            rows, tau = self._survivors
            self.refresh(rows, tau)
            rows = rows[bounds[rows] >= tau]
            self._survivors = (rows, tau) if len(rows) else None
            if len(rows):
                best = rows[bounds[rows].argmax()]
                return float(bounds[best]), int(best)

    def add(self, vector: Scores, row: int) -> None:
        """Take a vector as the next centre; `row` is its row in this shard, if it lies in it."""
        self._centres[self.n_centres] = vector  # as the problem sees it
        sketch = self.projection.sketch(vector[None])
        add_centre(self.n_centres, sketch.coordinates[0], sketch.half_norms[0], self.state)
        self.n_picked += 1
        if 0 <= row < len(self.state.bounds):
            self.state.bounds[row] = PICKED


def _message(squared: float, row: int, offset: int, features: FloatArray) -> Scores:
    """Return (squared distance, row of the pool or -1, vector)."""
    if row < 0:
        return np.concatenate([[NOTHING, -1.0], np.zeros(features.shape[1])])
    return np.concatenate([[squared, float(offset + row)], features[row].astype(np.float64)])


def _farthest_of_first(squared_radii: Scores, shard: Shard, group: ShardGroup) -> float:
    """Return the squared distance of the drawn item to the item farthest from it."""
    if len(squared_radii) > 1:
        return float(squared_radii[1])
    return max(0.0, float(group.exchange(np.array([shard.farthest()[0]])).max()))
