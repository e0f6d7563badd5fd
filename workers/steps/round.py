"""One round as a pure function of arrays: train the proxy, score the pool, select.

The service's job and `svp simulate` both call `run_round_step`, so what the replay proves is what
the service runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models.catalog import ModelSetup
from models.data.arrays import Inputs
from models.data.labeled import LabeledSet
from models.seconds import PartSeconds
from models.training.timing import Stopwatch
from models.training.train import TrainedModel, can_start
from selection.arrays import FloatArray, IntArray, Scores
from selection.auto import Choice, choose
from selection.catalog import AUTO, Signal
from selection.options import FeatureSource, SelectionOptions
from selection.select import CandidateReport, SelectionRequest, select, wanted_signals
from selection.types import ProxyAccuracy, rows_without
from selection.watch import Watch
from workers.steps.calibration import fit_temperature
from workers.steps.pool_scorer import PoolScorer, ScoredPool, UnreadPool, fitting_features
from workers.steps.predictions import ItemPredictions, ModelPredictions
from workers.steps.scoring import PLAIN, Scoring
from workers.steps.stability import PoolSample, sample_rows
from workers.steps.training import (
    Evaluation,
    RoundHooks,
    accuracy_metrics,
    predict_evaluation,
    random_stream,
    train_watched,
)

DOES_NOT_FIT = "The proxy before does not fit this one; it was trained from fresh weights."


@dataclass(frozen=True)
class RoundInputs:
    """Inputs of one round. Index arrays hold pool indices, ascending.

    Attributes:
        pool: inputs of the whole pool split, [n_pool]; unread where no model takes part.
        labeled_index: items with a resolved label, [m].
        labels: their class indices, [m].
        excluded_index: items that may not be ranked: resolved, skipped or held.
        n_classes: C.
        n_ranked: how many items to rank.
        evaluation: None where the project has no evaluation split.
        features: brought features of the whole pool split, [n_pool, d], if there are.
        initial: the proxy before, which a training with `recipe.warm_start` starts from.
        control: how often the proxy before was right on its control arm, labeled since.
    """

    pool: Inputs | UnreadPool
    labeled_index: IntArray
    labels: IntArray
    excluded_index: IntArray
    n_classes: int
    n_ranked: int
    evaluation: Evaluation | None = None
    features: FloatArray | None = None
    initial: TrainedModel | None = None
    control: ProxyAccuracy | None = None

    @property
    def labeled(self) -> LabeledSet:
        """The labeled items, which a model learns from."""
        inputs = self.pool.take(self.labeled_index)
        return LabeledSet(inputs, self.labels, self.n_classes)


@dataclass(frozen=True)
class RoundRequest:
    """Settings of one round.

    Attributes:
        strategy: name in selection.catalog, or of an installed package's entry point.
        setup: the proxy, and how it is trained.
        seed: of the project or run.
        number: of the round; with the seed it gives every random stream.
        trains: whether a proxy is trained.
        options: those around the strategy.
        scoring: how the proxy scores the pool.
        samples: whether the proxy also predicts the sample that workers.steps.stability compares.
        accuracy: the proxy's, by which `auto` chooses; None where it is not measured.
    """

    strategy: str
    setup: ModelSetup
    seed: int
    number: int
    trains: bool
    options: SelectionOptions = field(default_factory=SelectionOptions)
    scoring: Scoring = PLAIN
    samples: bool = False
    accuracy: ProxyAccuracy | None = None

    def stream(self, purpose: str) -> np.random.Generator:
        """Return the generator of one purpose in this round."""
        return random_stream(self.seed, self.number, purpose)


@dataclass(frozen=True)
class RoundResult:
    """The result of one round.

    Attributes:
        ranked_index: pool indices, best first, [n_ranked].
        scores: their scores, higher = sooner.
        is_control: whether each was drawn uniformly, not by the strategy, [n_ranked].
        suggestions: most probable class per ranked item and its probability; None without a model.
        metrics: evaluation accuracy of the proxy, if it was measured.
        seconds: training, inference, selection and evaluation, device-synchronised.
        proxy: the trained proxy; None where the strategy needs no model.
        candidates: what a candidate pool did; None without one.
        sample: the proxy's classes of a uniform sample of the pool; None without a proxy, and
            where it was not asked for.
        predictions: the proxy's, of the evaluation split, and of the ranking's control arm where
            `samples` was asked for.
        choice: the strategy that `auto` took, and why; None where another strategy was asked for.
    """

    ranked_index: IntArray
    scores: Scores
    is_control: npt.NDArray[np.bool_]
    suggestions: tuple[IntArray, Scores] | None
    metrics: dict[str, Any]
    seconds: PartSeconds
    proxy: TrainedModel | None = field(repr=False)
    candidates: CandidateReport | None = None
    sample: PoolSample | None = None
    predictions: ModelPredictions = field(default_factory=ModelPredictions, repr=False)
    choice: Choice | None = None


def run_round_step(
    inputs: RoundInputs,
    request: RoundRequest,
    *,
    device: str = "cpu",
    hooks: RoundHooks | None = None,
) -> RoundResult:
    """Return the ranking of one round, by a proxy trained on the labeled items if it `trains`.

    With `recipe.warm_start` the training starts from `inputs.initial`; where that does not fit, it
    starts from fresh weights, and a note says so.

    Raises:
        TrainingStopped: `hooks.should_stop` asked for it; a checkpoint is on disk.
        SelectionStopped: the same, during the selection.
        SelectionError: features were not brought, or do not fit.
    """
    hooks = hooks or RoundHooks()
    watch = Stopwatch(device)
    proxy, predicted = None, None
    if request.trains and len(inputs.excluded_index) < len(inputs.pool):
        proxy = _train_proxy(inputs, request, hooks, watch)
        predicted = predict_evaluation(proxy, inputs.evaluation, device, watch)
    if hooks.on_trained:
        hooks.on_trained()
    metrics = accuracy_metrics(predicted)
    request = replace(request, accuracy=_measured(metrics) or inputs.control)
    if request.options.scales_temperature and predicted is not None:
        assert predicted.labels is not None  # noqa: S101 - those of the evaluation split are known
        temperature = fit_temperature(predicted.probs, predicted.labels)
        request = replace(request, scoring=replace(request.scoring, temperature=temperature))
        metrics["temperature"] = temperature
    result = run_selection(inputs, request, proxy, watch, hooks.selection_watch(device))
    return replace(
        result,
        metrics=metrics,
        predictions=replace(result.predictions, evaluation=predicted),
    )


def run_selection(
    inputs: RoundInputs,
    request: RoundRequest,
    proxy: TrainedModel | None,
    watch: Stopwatch,
    selection_watch: Watch,
) -> RoundResult:
    """Return the ranking by a trained proxy, which `svp replay-selection` repeats.

    Without a proxy, options that need one (class balance; duplicates and neighbours by its
    features) rest.
    """
    pool_index = rows_without(len(inputs.pool), inputs.excluded_index)
    if len(pool_index) == 0:
        nothing = np.empty(0, np.int64)
        return RoundResult(nothing, np.empty(0), np.empty(0, bool), None, {}, watch.seconds, proxy)
    options = request.options
    if proxy is None:
        options = _without_proxy(options, has_features=inputs.features is not None)
    choice = None
    if request.strategy == AUTO:
        choice = choose(
            request.accuracy,
            inputs.n_classes,
            has_proxy=proxy is not None,
            has_features=inputs.features is not None and len(inputs.features) >= len(inputs.pool),
        )
        request = replace(request, strategy=choice.strategy)
    scorer = _make_scorer(inputs, pool_index, replace(request, options=options), proxy, watch)
    asked = SelectionRequest(
        request.strategy, inputs.n_ranked, request.stream, options, selection_watch
    )
    with watch.part("selection"):
        selected = select(scorer.pool(), asked)
    result = RoundResult(
        ranked_index=pool_index[selected.rows],
        scores=selected.scores,
        is_control=selected.is_control,
        suggestions=scorer.suggest(selected.rows),
        metrics={},
        seconds=watch.seconds,
        proxy=proxy,
        candidates=selected.candidates,
        choice=choice,
    )
    if not request.samples:
        return result
    sample = _predicted_sample(scorer, pool_index, len(inputs.pool), request.seed, watch)
    control = _predicted_control(scorer, pool_index, selected.rows[selected.is_control], watch)
    return replace(
        result,
        sample=sample,
        predictions=ModelPredictions(control=control),
        seconds=watch.seconds,
    )


def _measured(metrics: Mapping[str, Any]) -> ProxyAccuracy | None:
    if not metrics:
        return None
    n = metrics["n_evaluation"]
    return ProxyAccuracy(round(metrics["accuracy"] * n), n, "evaluation")


def _make_scorer(
    inputs: RoundInputs,
    pool_index: IntArray,
    request: RoundRequest,
    proxy: TrainedModel | None,
    watch: Stopwatch,
) -> PoolScorer:
    wanted = wanted_signals(request.strategy, request.options)
    brought: FloatArray | None = None
    if request.options.features is FeatureSource.BROUGHT and Signal.FEATURES in wanted:
        brought = fitting_features(inputs.features, len(inputs.pool))
    pool = ScoredPool(inputs.pool, pool_index, inputs.labeled_index, brought)
    return PoolScorer(pool, wanted, proxy, watch, request.scoring)


def _predicted_sample(
    scorer: PoolScorer, pool_index: IntArray, n_pool: int, seed: int, watch: Stopwatch
) -> PoolSample | None:
    """Return the proxy's classes of the sample; rows that the selection measured are reused.

    Its seconds are no part of data selection: they go to "stability".
    """
    rows = sample_rows(pool_index, n_pool, random_stream(seed, 0, "stability"))
    with watch.everything_is("stability"):
        predicted = scorer.suggest(rows)
    if predicted is None:
        return None
    return PoolSample(pool_index[rows], predicted[0])


def _predicted_control(
    scorer: PoolScorer, pool_index: IntArray, rows: IntArray, watch: Stopwatch
) -> ItemPredictions | None:
    """Return the proxy's probabilities of the control arm, in its order; None without either.

    Its seconds are no part of data selection either: they go to "control".
    """
    if len(rows) == 0:
        return None
    with watch.everything_is("control"):
        probs = scorer.probs_of(rows)
    return None if probs is None else ItemPredictions(pool_index[rows], probs)


def _without_proxy(options: SelectionOptions, *, has_features: bool) -> SelectionOptions:
    options = replace(options, class_balance=False, features=FeatureSource.BROUGHT)
    if has_features:
        return options
    return replace(options, duplicate_similarity=None, candidates=None, measure_recall=False)


def _train_proxy(
    inputs: RoundInputs, request: RoundRequest, hooks: RoundHooks, watch: Stopwatch
) -> TrainedModel:
    labeled, setup = inputs.labeled, request.setup
    initial = inputs.initial if setup.recipe.warm_start else None
    is_fitting = initial is None or can_start(initial, setup, labeled)
    trained = train_watched(
        setup, labeled, request.seed, watch, hooks, initial=initial if is_fitting else None
    )
    if is_fitting:
        return trained
    return replace(trained, notes=(*trained.notes, DOES_NOT_FIT))
