"""Ranks rows by any strategy, bundled or brought, and checks its inputs and its result."""

import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np

from selection.catalog import find_strategy
from selection.errors import BudgetError, MissingSignalError, SelectionError
from selection.memory import check_memory
from selection.types import Ranking, Signals
from selection.watch import Watch

Ranker = Callable[[Signals, int, np.random.Generator], Ranking]
"""Gives the `budget` best rows, best first; one that takes a watch gets it as fourth argument."""


def rank(
    strategy: str,
    signals: Signals,
    budget: int,
    rng: np.random.Generator,
    watch: Watch | None = None,
) -> Ranking:
    """Return the `budget` best rows by the strategy, best first.

    With the same generator state a smaller budget gives a prefix of a larger one's rows, where the
    strategy is nested (StrategyInfo.is_nested).

    Args:
        strategy: name in the catalog, or of an installed package's entry point.
        signals: of the pool.
        budget: b in 0..n.
        rng: the only source of randomness.
        watch: how a strategy that takes one is watched, stopped and resumed.

    Raises:
        SelectionError: unknown strategy, missing signal, a budget outside 0..n, less memory than
            is needed, or a ranking that does not hold `budget` of the rows.
        SelectionStopped: the watch asked for it.
    """
    info = find_strategy(strategy)
    for signal in sorted(info.needs):
        if getattr(signals, signal) is None:
            raise MissingSignalError(strategy, signal)
    if not 0 <= budget <= signals.n:
        raise BudgetError(budget, signals.n)
    if info.n_copies:
        check_memory(info.n_copies * signals.n_bytes, f"{strategy} of {signals.n:,} items")
    ranker = load_code(strategy, info.ranker)
    more = (watch or Watch(),) if info.takes_watch else ()
    return _checked(strategy, ranker(signals, budget, rng, *more), budget, signals.n)


def load_code(strategy: str, path: str) -> Callable[..., Any]:
    """Return the function of a strategy that "package.module:function" names.

    Raises:
        SelectionError: there is none; the message names the strategy.
    """
    try:
        return pkgutil.resolve_name(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise SelectionError(
            f"Strategy {strategy} names the code {path}, which does not load: {error}."
        ) from error


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
