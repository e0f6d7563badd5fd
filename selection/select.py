"""One selection as a whole: control arm, candidate pool, strategy, constraints.

`selection.rank.rank` runs the strategy itself. The options that apply to any strategy are handled
here, so that the service, the replay and `svp select` do the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from selection.arrays import FloatArray, IntArray, Rows, Scores
from selection.candidates import (
    CandidatePool,
    neighbour_candidates,
    selection_recall,
    uniform_candidates,
)
from selection.catalog import Signal, find_strategy
from selection.constraints import class_balanced, without_duplicates
from selection.control import draw_control, interleave
from selection.errors import BudgetError, EmptyPoolError, SelectionError
from selection.options import CandidateKind, SelectionOptions
from selection.power import drawn_by_power
from selection.rank import rank
from selection.types import Ranking, Signals, given, rows_without
from selection.watch import Watch

Streams = Callable[[str], np.random.Generator]
"""Gives a generator for a purpose: the same state for the same purpose, each time."""


@dataclass(frozen=True)
class SelectionRequest:
    """A request for a selection.

    Attributes:
        strategy: name in the catalog, or of an installed package's entry point.
        budget: b, items to select.
        streams: purposes are "selection", "control", "candidates" and "class C".
        options: see there; the caller handles `cold_start` and `features`.
        watch: how a long selection is watched, stopped and resumed.
    """

    strategy: str
    budget: int
    streams: Streams
    options: SelectionOptions = field(default_factory=SelectionOptions)
    watch: Watch | None = None


@dataclass(frozen=True)
class Pool:
    """The pool of one selection; only the rows that are looked at are measured.

    Attributes:
        n: items.
        measure: gives the signals of some rows; called once for the strategy's candidates and,
            where the recall is wanted, once more for the rest.
        features: gives brought features of some rows, [k, d], by which neighbours are found without
            a measurement; called only where they are wanted.
        labeled_features: features of the labeled items, [m, d].
    """

    n: int
    measure: Callable[[Rows], Signals]
    features: Callable[[Rows], FloatArray] | None = None
    labeled_features: FloatArray | None = None


@dataclass(frozen=True)
class CandidateReport:
    """Facts about a candidate pool.

    Attributes:
        n: its items.
        fraction: of the pool.
        index_recall: share of the exact neighbours that the index found; None for a subsample.
        selection_recall: share of the full scan's selection that was selected; None unless it was
            asked for.
    """

    n: int
    fraction: float
    index_recall: float | None
    selection_recall: float | None


@dataclass(frozen=True)
class Selected:
    """Selected rows of the pool, best first, [b].

    Attributes:
        rows: distinct.
        scores: the strategy's; those of control items say nothing.
        is_control: drawn uniformly, not by the strategy.
        candidates: None where the strategy looked at the whole pool.
    """

    rows: Rows
    scores: Scores
    is_control: npt.NDArray[np.bool_]
    candidates: CandidateReport | None = None


def wanted_signals(strategy: str, options: SelectionOptions) -> frozenset[Signal]:
    """Return the signals of the pool that strategy and options need.

    Raises:
        UnknownStrategyError: there is no such strategy.
    """
    return find_strategy(strategy).needs | options.signals


def select(pool: Pool, asked: SelectionRequest) -> Selected:
    """Return the selected rows of the pool, best first.

    Raises:
        SelectionError: the pool is empty, the budget outside 0..n, a signal missing or unfit.
        SelectionStopped: the watch asked for it.
    """
    budget, control_fraction = asked.budget, asked.options.control_fraction
    if pool.n < 1:
        raise EmptyPoolError
    if not 0 <= budget <= pool.n:
        raise BudgetError(budget, pool.n)
    control = draw_control(pool.n, budget, control_fraction, asked.streams("control"))
    rest = rows_without(pool.n, control)
    ranking, report = Ranking(np.empty(0, np.int64), np.empty(0)), None
    if len(rest):
        ranking, report = _rank_rest(pool, rest, replace(asked, budget=budget - len(control)))
    merged, places = interleave(control, ranking, control_fraction)
    is_control = np.zeros(budget, bool)
    is_control[places] = True
    return Selected(merged.rows, merged.scores, is_control, report)


def rank_constrained(signals: Signals, asked: SelectionRequest) -> Ranking:
    """Return the strategy's ranking under class balance and without near-duplicates.

    Classes are `signals.labels`, where they are known, else the most probable ones.
    """
    classes: IntArray | None = None
    if asked.options.class_balance:
        classes = signals.labels
        if classes is None and signals.probs is None:
            raise SelectionError("class_balance needs probs or labels; neither was given.")
        if classes is None:
            classes = given(signals.probs).argmax(axis=1)
    streams, watch = asked.streams, asked.watch

    def ranked(budget: int) -> Ranking:
        if classes is None:
            stream = streams("selection")
            return _ranked(asked, signals, budget, stream, watch)
        unsaved = replace(watch, state_file=None) if watch else None
        return class_balanced(
            lambda c, rows, quota: _ranked(
                asked, signals.take(rows), quota, streams(f"class {c}"), unsaved
            ),
            classes,
            budget,
        )

    similarity = asked.options.duplicate_similarity
    if similarity is None:
        return ranked(asked.budget)
    if signals.features is None:
        raise SelectionError("duplicate_similarity needs features; none were given.")
    return without_duplicates(
        ranked, signals.features, signals.labeled_features, asked.budget, similarity
    )


def _ranked(
    asked: SelectionRequest,
    signals: Signals,
    budget: int,
    rng: np.random.Generator,
    watch: Watch | None,
) -> Ranking:
    power = asked.options.power
    if power is None or not find_strategy(asked.strategy).scores_items:
        return rank(asked.strategy, signals, budget, rng, watch)
    whole = rank(asked.strategy, signals, signals.n, rng, watch)
    return drawn_by_power(whole, budget, power, rng)


def _rank_rest(
    pool: Pool, rest: Rows, asked: SelectionRequest
) -> tuple[Ranking, CandidateReport | None]:
    """Return the ranking of the rows that are not the control arm's, as rows of the pool."""
    if asked.options.candidates is None:
        ranking = rank_constrained(pool.measure(rest), asked)
        return Ranking(rest[ranking.rows], ranking.scores), None
    whole: Signals | None = None
    if asked.options.finds_neighbours and pool.features is None:
        whole = pool.measure(rest)
    found = _find_candidates(pool, whole, rest, asked)
    if found is None:  # nothing is labeled: no neighbours yet
        return _rank_rest(pool, rest, _without_candidates(asked))
    rows = rest[found.rows]
    signals = pool.measure(rows) if whole is None else whole.take(found.rows)
    ranking = rank_constrained(signals, asked)
    selected = rows[ranking.rows]
    recall = None
    if asked.options.measure_recall:
        whole = pool.measure(rest) if whole is None else whole
        full = rank_constrained(whole, replace(asked, watch=None))
        recall = selection_recall(selected, rest[full.rows])
    report = CandidateReport(len(rows), len(rows) / pool.n, found.index_recall, recall)
    return Ranking(selected, ranking.scores), report


def _find_candidates(
    pool: Pool, whole: Signals | None, rest: Rows, asked: SelectionRequest
) -> CandidatePool | None:
    """Return the candidates among `rest`, as its rows; None if nothing is labeled to be near to."""
    wanted, rng = asked.options.candidates, asked.streams("candidates")
    assert wanted is not None  # noqa: S101 - for mypy
    if wanted.kind is CandidateKind.UNIFORM:
        return uniform_candidates(len(rest), max(wanted.n, asked.budget), rng)
    labeled = pool.labeled_features if whole is None else whole.labeled_features
    if labeled is None or len(labeled) == 0:
        return None
    if whole is None:
        assert pool.features is not None  # noqa: S101 - else the whole pool was measured
        features = pool.features(rest)
    else:
        features = given(whole.features)
    return neighbour_candidates(features, labeled, wanted.n, asked.budget, rng)


def _without_candidates(asked: SelectionRequest) -> SelectionRequest:
    """Return the request with the whole pool as candidates."""
    return replace(asked, options=replace(asked.options, candidates=None, measure_recall=False))
