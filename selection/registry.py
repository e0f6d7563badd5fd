"""Builds rankings: the one place that maps a strategy's name to its code."""

from collections.abc import Callable

import numpy as np

from selection.catalog import STRATEGIES
from selection.k_centers import greedy_k_centers
from selection.types import FloatArray, Ranking, Scores, SelectionError, Signals
from selection.uncertainty import entropy, least_confidence, margin
from selection.uniform import uniform

Ranker = Callable[[Signals, int, np.random.Generator], Ranking]
RANKERS: dict[str, Ranker] = {}


def register(name: str, ranker: Ranker) -> None:
    """Add a strategy.

    Raises:
        SelectionError: the name is taken, or the catalog does not list it.
    """
    if name in RANKERS:
        raise SelectionError(f"Strategy {name} is registered twice.")
    if name not in STRATEGIES:
        raise SelectionError(f"Strategy {name} is not in selection.catalog; add it there first.")
    RANKERS[name] = ranker


def rank(strategy: str, signals: Signals, budget: int, rng: np.random.Generator) -> Ranking:
    """Return the `budget` best rows by the strategy, best first.

    A smaller budget with the same generator state gives a prefix of a larger one's rows.

    Raises:
        SelectionError: unknown strategy, missing signal, or a budget outside 0..n.
    """
    if strategy not in RANKERS:
        known = ", ".join(sorted(RANKERS))
        raise SelectionError(f"There is no strategy {strategy!r}; known are {known}.")
    for signal in sorted(STRATEGIES[strategy].needs):
        if getattr(signals, signal) is None:
            raise SelectionError(f"Strategy {strategy} needs {signal}; the proxy gave none.")
    if not 0 <= budget <= signals.n:
        raise SelectionError(f"The budget must be in 0..{signals.n}, not {budget}.")
    return RANKERS[strategy](signals, budget, rng)


def _ranked(scores: Scores, budget: int) -> Ranking:
    # Stable: ties go to the lowest row.
    rows = np.argsort(-scores, kind="stable")[:budget].astype(np.int64)
    return Ranking(rows, scores[rows])


def _by_probs(score: Callable[[FloatArray], Scores]) -> Ranker:
    def ranker(signals: Signals, budget: int, _rng: np.random.Generator) -> Ranking:
        assert signals.probs is not None  # noqa: S101 - checked by rank
        return _ranked(score(signals.probs), budget)

    return ranker


def _uniform(signals: Signals, budget: int, rng: np.random.Generator) -> Ranking:
    return _ranked(uniform(signals.n, rng), budget)


def _k_centers(signals: Signals, budget: int, rng: np.random.Generator) -> Ranking:
    assert signals.features is not None  # noqa: S101 - checked by rank
    return Ranking(*greedy_k_centers(signals.features, signals.labeled_features, budget, rng))


register("uniform", _uniform)
register("least_confidence", _by_probs(least_confidence))
register("entropy", _by_probs(entropy))
register("margin", _by_probs(margin))
register("k_centers", _k_centers)
