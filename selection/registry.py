"""Builds rankings: the one place that maps a strategy's name to its code.

An installed package brings a strategy by an entry point of the group `svp.strategies`, whose name
is the strategy's and whose object is a `Strategy`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from selection.badge import badge
from selection.catalog import PLUGIN_GROUP, STRATEGIES, Signal, installed_points
from selection.cluster_margin import cluster_margin
from selection.core_sets import el2n, forgetting_events
from selection.errors import BudgetError, MissingSignalError, SelectionError, UnknownStrategyError
from selection.facility_location import facility_location
from selection.k_centers.greedy import greedy_k_centers
from selection.memory import check_memory
from selection.probcover import probcover
from selection.types import Ranking, Scores, Signals, given
from selection.typiclust import typiclust
from selection.uncertainty import entropy, least_confidence, margin
from selection.uniform import uniform
from selection.watch import Watch

Ranker = Callable[[Signals, int, np.random.Generator], Ranking]
RANKERS: dict[str, Ranker] = {}
# Copies of probabilities and features that a strategy makes at most; k_centers knows its own need,
# the scores of probabilities make none.
COPIES = {
    "badge": 1, "cluster_margin": 2, "typiclust": 3, "probcover": 4, "facility_location": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Strategy:
    """A strategy that a package brings: what it needs, and how it ranks.

    `rank(signals, budget, rng)` gives the `budget` best rows, best first. A smaller budget may give
    other rows than the beginning of a larger one's, as those that cluster by the budget do.
    """

    needs: frozenset[Signal]
    rank: Ranker


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


def find_strategy(name: str) -> Strategy:
    """Return the strategy of this name: ours, or one that an installed package brings.

    Raises:
        UnknownStrategyError: there is none; the message lists the known ones.
        SelectionError: a package takes a name of ours, or its entry point is no Strategy.
    """
    points = installed_points()
    if name in RANKERS:
        if name in points.names:
            raise SelectionError(
                f"Entry point {name!r} of {PLUGIN_GROUP} takes the name of a built-in strategy."
            )
        return Strategy(STRATEGIES[name].needs, RANKERS[name])
    if name not in points.names:
        raise UnknownStrategyError(name, sorted({*RANKERS, *points.names}))
    found = points[name].load()
    if not isinstance(found, Strategy):
        raise SelectionError(
            f"Entry point {name!r} of {PLUGIN_GROUP} must be a selection.registry.Strategy, "
            f"not {type(found).__name__}."
        )
    return found


def needed_signals(name: str) -> frozenset[Signal]:
    """Return what the strategy needs to know.

    Raises:
        UnknownStrategyError: there is no such strategy.
    """
    return find_strategy(name).needs


def rank(
    strategy: str,
    signals: Signals,
    budget: int,
    rng: np.random.Generator,
    watch: Watch | None = None,
) -> Ranking:
    """Return the `budget` best rows by the strategy, best first.

    With the same generator state a smaller budget gives a prefix of a larger one's rows, but for
    cluster_margin and typiclust, whose clusters depend on the budget, and brought strategies.

    Args:
        strategy: name in the catalog, or of an installed package's entry point.
        signals: of the pool.
        budget: b in 0..n.
        rng: the only source of randomness.
        watch: how a strategy that takes long (k_centers) is watched, stopped and resumed.

    Raises:
        SelectionError: unknown strategy, missing signal, a budget outside 0..n, less memory than
            is needed, or a package's strategy that returns no ranking of `budget` rows.
        SelectionStopped: the watch asked for it.
    """
    found = find_strategy(strategy)
    for signal in sorted(found.needs):
        if getattr(signals, signal) is None:
            raise MissingSignalError(strategy, signal)
    if not 0 <= budget <= signals.n:
        raise BudgetError(budget, signals.n)
    if strategy == "k_centers" and watch is not None:
        return _k_centers(signals, budget, rng, watch)
    if strategy in COPIES:
        task = f"{strategy} of {signals.n:,} items"
        check_memory(COPIES[strategy] * signals.n_bytes, task)
    return _checked(strategy, found.rank(signals, budget, rng), budget, signals.n)


def _checked(strategy: str, ranking: Ranking, budget: int, n: int) -> Ranking:
    """Return the ranking if it holds `budget` of n rows; a package's code may break that.

    Raises:
        SelectionError: it does not; the message names the strategy.
    """
    if not isinstance(ranking, Ranking):
        raise SelectionError(
            f"Strategy {strategy} must return a selection.types.Ranking, not "
            f"{type(ranking).__name__}."
        )
    rows = ranking.rows
    if rows.ndim != 1 or len(rows) != budget or not np.issubdtype(rows.dtype, np.integer):
        raise SelectionError(
            f"Strategy {strategy} must return {budget} whole numbers as rows, not {rows.dtype} "
            f"{list(rows.shape)}."
        )
    outside = np.flatnonzero((rows < 0) | (rows >= n))
    if len(outside):
        raise SelectionError(
            f"Strategy {strategy} returned row {rows[outside[0]]}; rows are 0..{n - 1}."
        )
    return ranking


def _ranked(scores: Scores, budget: int) -> Ranking:
    """Return the rows of the highest scores, [n] -> [b]; ties go to the lowest row."""
    rows = np.arange(len(scores))
    if 0 < budget < len(scores):
        lowest = np.partition(scores, len(scores) - budget)[len(scores) - budget]
        above = np.flatnonzero(scores > lowest)
        level = np.flatnonzero(scores == lowest)[: budget - len(above)]
        rows = np.sort(np.concatenate([above, level]))
    rows = rows[np.argsort(-scores[rows], kind="stable")][:budget]
    return Ranking(rows, scores[rows])


def _k_centers(
    signals: Signals, budget: int, rng: np.random.Generator, watch: Watch | None = None
) -> Ranking:
    features = given(signals.features)
    return Ranking(*greedy_k_centers(features, signals.labeled_features, budget, rng, watch))


def _probcover(signals: Signals, budget: int, rng: np.random.Generator) -> Ranking:
    n_classes = None if signals.probs is None else signals.probs.shape[1]
    features, labeled = given(signals.features), signals.labeled_features
    return Ranking(*probcover(features, labeled, budget, rng, n_classes))


register("uniform", lambda s, b, rng: _ranked(uniform(s.n, rng), b))
register("least_confidence", lambda s, b, _: _ranked(least_confidence(given(s.probs)), b))
register("entropy", lambda s, b, _: _ranked(entropy(given(s.probs)), b))
register("margin", lambda s, b, _: _ranked(margin(given(s.probs)), b))
register("k_centers", _k_centers)
register("badge", lambda s, b, rng: Ranking(*badge(given(s.probs), given(s.features), b, rng)))
register(
    "cluster_margin",
    lambda s, b, rng: Ranking(*cluster_margin(given(s.probs), given(s.features), b, rng)),
)
register(
    "typiclust",
    lambda s, b, rng: Ranking(*typiclust(given(s.features), s.labeled_features, b, rng)),
)
register("probcover", _probcover)
register(
    "facility_location",
    lambda s, b, _: Ranking(*facility_location(given(s.features), s.labeled_features, b)),
)
register(
    "forgetting_events", lambda s, b, _: _ranked(forgetting_events(given(s.forgetting_counts)), b)
)
register("el2n", lambda s, b, _: _ranked(el2n(given(s.probs), given(s.labels)), b))
