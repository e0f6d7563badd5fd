"""A core-set as a pure function of arrays: train the selection model, keep the best labeled items.

The service's job and the replay both call `run_core_set_step`. Source: Selection via Proxy, section
3.2.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from models.catalog import ModelSetup, find_model
from models.data.labeled import LabeledSet
from models.seconds import PartSeconds
from models.training.forgetting import ForgettingCounts
from models.training.timing import Stopwatch
from models.training.train import TrainedModel
from selection.arrays import IntArray, Rows
from selection.catalog import Purpose, Signal, find_strategy
from selection.options import SelectionOptions
from selection.select import SelectionRequest, rank_constrained
from selection.types import NEVER_LEARNED, Ranking, Signals, rows_without
from workers.steps.scoring import PLAIN, Scoring
from workers.steps.training import (
    Evaluation,
    RoundHooks,
    evaluate,
    random_stream,
    train_watched,
)


@dataclass(frozen=True)
class CoreSetRequest:
    """A request for a core-set.

    Attributes:
        strategy: name in selection.catalog, for core-sets.
        budget: b, items to keep.
        class_balance: the same number of each class, as far as there are items.
        initial_uniform: of the budget, drawn uniformly before the strategy looks: the first
            centres of k-centers (1,000 in the paper).
        draw_seed: of what is drawn, where it is not the model's: core-sets of several models then
            begin with the same items.
    """

    strategy: str
    budget: int
    class_balance: bool = False
    initial_uniform: int = 0
    draw_seed: int | None = None


@dataclass(frozen=True)
class CoreSetResult:
    """A core-set that was selected.

    Attributes:
        rows: positions among the labeled items, in order of selection, [b].
        scores: the strategy's, [b]; initial ones carry the first selected one's.
        seconds: training, inference, selection and evaluation, device-synchronised.
        metrics: evaluation accuracy of the selection model, if it was measured.
        selector: the selection model; None where the strategy needs none.
    """

    rows: Rows
    scores: npt.NDArray[np.float64]
    seconds: PartSeconds
    metrics: dict[str, Any]
    selector: TrainedModel | None = field(repr=False)


def run_core_set_step(  # noqa: PLR0913 - by name: where it runs, how it is watched and measured
    labeled: LabeledSet,
    request: CoreSetRequest,
    setup: ModelSetup,
    seed: int,
    *,
    evaluation: Evaluation | None = None,
    device: str = "cpu",
    hooks: RoundHooks | None = None,
) -> CoreSetResult:
    """Return the labeled items to keep.

    Args:
        labeled: the labeled items, ascending by pool index, [m].
        request: what is to be kept.
        setup: the selection model, and how it is trained; few epochs for EL2N.
        seed: of the model, and of draws unless the request has another.
        evaluation: None where there is no evaluation split.
        device: "cpu" or "cuda[:i]".
        hooks: how training and selection are watched, stopped and resumed; where it measures
            epochs, the training counts forgetting events if it can.

    Raises:
        TrainingStopped, SelectionStopped: `hooks.should_stop` asked for it.
        SelectionError: the budget is larger than m.
    """
    hooks = hooks or RoundHooks()
    watch = Stopwatch(device)
    needs = find_strategy(request.strategy, Purpose.CORE_SET).needs
    is_measured = hooks.on_epoch is not None and find_model(setup.model).counts_forgetting
    selector: TrainedModel | None = None
    metrics: dict[str, Any] = {}
    if needs:
        selector, metrics = train_selector(
            setup,
            labeled,
            seed,
            watch,
            counts_forgetting=Signal.FORGETTING_COUNTS in needs or is_measured,
            evaluation=evaluation,
            hooks=hooks,
        )
    signals = measure_signals(labeled, selector, needs, watch)
    with watch.part("selection"):
        draw_seed = seed if request.draw_seed is None else request.draw_seed
        ranking = choose(signals, request, draw_seed, hooks, device)
    return CoreSetResult(ranking.rows, ranking.scores, watch.seconds, metrics, selector)


def train_selector(  # noqa: PLR0913 - by name: where it runs, how it is watched and measured
    setup: ModelSetup,
    labeled: LabeledSet,
    seed: int,
    watch: Stopwatch,
    *,
    counts_forgetting: bool,
    evaluation: Evaluation | None,
    hooks: RoundHooks,
) -> tuple[TrainedModel, dict[str, Any]]:
    """Return the selection model, the same whatever it counts, and its metrics.

    The seconds are the stopwatch's parts "training", those before a resumption included, and
    "evaluation".
    """
    selector = train_watched(
        setup, labeled, seed, watch, hooks, counts_forgetting=counts_forgetting
    )
    return selector, evaluate(selector, evaluation, watch.device, watch)


def measure_signals(
    labeled: LabeledSet,
    selector: TrainedModel | None,
    needs: frozenset[Signal],
    watch: Stopwatch,
    scoring: Scoring = PLAIN,
) -> Signals:
    """Return the signals of the labeled items that a strategy with these needs uses."""
    m, labels = len(labeled), labeled.labels
    if selector is None:
        return Signals(m, labels=labels)
    counts = None if selector.forgetting is None else finite_counts(selector.forgetting)
    if not needs & {Signal.PROBS, Signal.FEATURES}:
        return Signals(m, labels=labels, forgetting_counts=counts)
    with watch.part("inference"):
        predicted = scoring.predict(
            selector, labeled.inputs, device=watch.device, with_features=Signal.FEATURES in needs
        )
    return Signals(m, predicted.probs, predicted.features, labels=labels, forgetting_counts=counts)


def finite_counts(forgetting: ForgettingCounts) -> IntArray:
    """Return the counts as a strategy takes them: NEVER_LEARNED for items never right."""
    return np.where(forgetting.is_learned, forgetting.counts, NEVER_LEARNED)


def choose(
    signals: Signals, request: CoreSetRequest, seed: int, hooks: RoundHooks, device: str
) -> Ranking:
    """Return the rows of `signals` to keep: the initial ones, then the strategy's."""

    def stream(purpose: str) -> np.random.Generator:
        return random_stream(seed, 0, f"core-set {purpose}")

    initial = initial_rows(signals.n, request.initial_uniform, seed)
    rest = rows_without(signals.n, initial)
    if len(initial):
        centres = None if signals.features is None else signals.features[initial]
        signals = signals.take(rest, centres)
    asked = SelectionRequest(
        request.strategy,
        request.budget - len(initial),
        stream,
        SelectionOptions(class_balance=request.class_balance),
        hooks.selection_watch(device),
    )
    ranking = rank_constrained(signals, asked)
    first = ranking.scores[0] if len(ranking.scores) else 0.0
    return Ranking(
        np.concatenate([initial, rest[ranking.rows]]),
        np.concatenate([np.full(len(initial), first), ranking.scores]),
    )


def initial_rows(n: int, n_initial: int, seed: int) -> IntArray:
    """Return the rows of n that are drawn before a strategy selects."""
    return random_stream(seed, 0, "core-set initial").permutation(n)[:n_initial]
