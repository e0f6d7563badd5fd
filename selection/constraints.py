"""Constraints around any strategy: balanced classes, no near-duplicates."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from selection.arrays import FloatArray, IntArray, Rows
from selection.memory import check_memory
from selection.types import Ranking

Rank = Callable[[int], Ranking]  # budget -> the strategy's ranking
ROWS_PER_BLOCK = 256
ROWS_PER_PART = 4096  # kept rows that are allocated together
GROWTH = 2  # how much longer a ranking is asked for when duplicates used it up


def class_quotas(sizes: IntArray, budget: int) -> IntArray:
    """Return how many items each class contributes, [C]: equally many where possible, b in all.

    What cannot be divided goes to the lowest classes.

    Args:
        sizes: items of each class, [C].
        budget: b <= sum(sizes) (not checked).
    """
    levels = np.sort(sizes)
    level = 0
    for nth, size in enumerate(levels):
        # Classes that are larger than all before share what these leave.
        left = budget - int(levels[:nth].sum())
        level = left // (len(levels) - nth)
        if level < size:
            break
    quotas = np.minimum(sizes, level)
    larger = np.flatnonzero(sizes > level)
    quotas[larger[: budget - int(quotas.sum())]] += 1
    return quotas


def class_balanced(
    rank_class: Callable[[int, Rows, int], Ranking], classes: IntArray, budget: int
) -> Ranking:
    """Return a ranking whose classes take turns, each in the strategy's order within it.

    Scores are the strategy's within the class.

    Args:
        rank_class: (class, its rows, budget) -> ranking of these rows; its rows are positions
            among them.
        classes: of each row, [n].
        budget: b <= n (not checked).
    """
    sizes = np.bincount(classes)
    quotas = class_quotas(sizes, budget)
    rows, scores, turns = [], [], []
    for class_index in np.flatnonzero(quotas):
        members = np.flatnonzero(classes == class_index)
        ranking = rank_class(int(class_index), members, int(quotas[class_index]))
        rows.append(members[ranking.rows])
        scores.append(ranking.scores)
        turns.append(np.arange(len(ranking.rows)))
    if not rows:
        return Ranking(np.empty(0, np.int64), np.empty(0))
    # Stable: within a turn the lowest class goes first.
    order = np.argsort(np.concatenate(turns), kind="stable")
    return Ranking(np.concatenate(rows)[order], np.concatenate(scores)[order])


def without_duplicates(
    rank: Rank,
    features: FloatArray,
    labeled_features: FloatArray | None,
    budget: int,
    similarity: float,
) -> Ranking:
    """Return a ranking whose near-duplicates come last, in the strategy's order.

    An item is one if the cosine similarity of its features to a labeled item or to one that is
    ranked before it (and is no duplicate itself) reaches `similarity`. The strategy is asked for
    longer rankings until the budget is filled.

    Args:
        rank: the strategy's ranking for a budget.
        features: of the pool, [n, d].
        labeled_features: [m, d], or None.
        budget: b <= n (not checked).
        similarity: in (0, 1].

    Raises:
        NotEnoughMemoryError: the features of `budget` items do not fit.
    """
    asked = budget
    task = f"Looking for near-duplicates of {budget:,} items"
    check_memory(8 * features.shape[1] * (budget + ROWS_PER_PART), task)
    while True:
        ranking = rank(asked)
        is_duplicate = near_duplicates(features, ranking.rows, labeled_features, similarity, budget)
        n_kept = len(ranking.rows) - int(is_duplicate.sum())
        if n_kept >= budget or asked == len(features):
            break
        asked = min(len(features), asked * GROWTH + 1)
    order = np.argsort(is_duplicate, kind="stable")[:budget]
    return Ranking(ranking.rows[order], ranking.scores[order])


def near_duplicates(
    features: FloatArray,
    rows: Rows,
    labeled_features: FloatArray | None,
    similarity: float,
    n_wanted: int,
) -> npt.NDArray[np.bool_]:
    """Return whether each of `rows`, [k], is near a labeled item or a kept row before it, [k].

    True also for those that were not looked at, since `n_wanted` are kept before them.
    """
    kept = _Kept(features.shape[1], similarity)
    labeled = features[:0] if labeled_features is None else labeled_features
    found = np.ones(len(rows), bool)
    for start in range(0, len(rows), ROWS_PER_BLOCK):
        if kept.n >= n_wanted:
            break
        block = _normalised(features[rows[start : start + ROWS_PER_BLOCK]])
        is_near = kept.is_near(block)
        for top in range(0, len(labeled), 16 * ROWS_PER_BLOCK):
            part = _normalised(labeled[top : top + 16 * ROWS_PER_BLOCK])
            is_near |= (block @ part.T >= similarity).any(axis=1)
        within = block @ block.T >= similarity
        for place in range(len(block)):
            is_near[place] |= bool((within[place, :place] & ~is_near[:place]).any())
        kept.add(block[~is_near])
        found[start : start + len(block)] = is_near
    return found


class _Kept:
    """Normalised features of the rows kept so far, in parts that are never copied.

    Attributes:
        n: how many.
    """

    def __init__(self, d: int, similarity: float) -> None:
        self.n = 0
        self._parts: list[npt.NDArray[np.float64]] = []
        self._d, self._similarity = d, similarity

    def is_near(self, block: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        is_near = np.zeros(len(block), bool)
        for nth, part in enumerate(self._parts):
            filled = part[: self.n - nth * ROWS_PER_PART]
            is_near |= (block @ filled.T >= self._similarity).any(axis=1)
        return is_near

    def add(self, block: npt.NDArray[np.float64]) -> None:
        for row in block:
            if self.n == len(self._parts) * ROWS_PER_PART:
                self._parts.append(np.empty((ROWS_PER_PART, self._d)))
            self._parts[-1][self.n % ROWS_PER_PART] = row
            self.n += 1


def _normalised(features: FloatArray) -> npt.NDArray[np.float64]:
    """Return rows of length 1, a hair longer so that equal rows reach similarity 1."""
    wide = features.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    return wide / np.where(norms > 0, norms, 1.0) * (1.0 + 1e-12)
