"""One round as a pure function of arrays: train the proxy, score the pool, select.

The service's job and `svp simulate` both call `run_round_step`, so what the replay proves is what
the service runs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.checkpoints import CheckpointFile
from models.data.arrays import Inputs
from models.predict import Predictions, accuracy, predict
from models.recipe import Recipe
from models.timing import Stopwatch
from models.train import TrainedModel, TrainProgress, train
from selection.catalog import Signal
from selection.registry import needed_signals, rank
from selection.types import Signals
from selection.watch import Watch

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """The evaluation split: what every accuracy is measured on."""

    inputs: Inputs
    labels: IntArray


@dataclass(frozen=True)
class RoundInputs:
    """What one round knows. Index arrays hold pool indices, ascending.

    Attributes:
        pool: inputs of the whole pool split, [n_pool].
        labeled_index: items with a resolved label, [m].
        labels: their class indices, [m].
        excluded_index: items that may not be ranked: resolved, skipped or held.
        n_classes: C.
        n_ranked: how many items to rank.
        evaluation: None where the project has no evaluation split.
    """

    pool: Inputs
    labeled_index: IntArray
    labels: IntArray
    excluded_index: IntArray
    n_classes: int
    n_ranked: int
    evaluation: Evaluation | None = None


@dataclass(frozen=True)
class RoundHooks:
    """How a running step is watched, stopped and resumed; the result does not depend on it."""

    checkpoint: CheckpointFile | None = None
    on_progress: Callable[[TrainProgress], None] | None = None
    on_trained: Callable[[], None] | None = None
    should_stop: Callable[[], bool] | None = None

    @property
    def selection_file(self) -> Path | None:
        """Where a long selection keeps its state: beside the training's checkpoint."""
        if self.checkpoint is None:
            return None
        return self.checkpoint.path.with_suffix(".selection.npz")

    def selection_watch(self, device: str) -> Watch:
        """Return how the selection is watched, stopped and resumed."""
        return Watch(device, should_stop=self.should_stop, state_file=self.selection_file)

    def forget(self) -> None:
        """Remove what was kept to resume from."""
        if self.checkpoint:
            self.checkpoint.remove()
        if self.selection_file:
            self.selection_file.unlink(missing_ok=True)


@dataclass(frozen=True)
class RoundResult:
    """What one round gives.

    Attributes:
        ranked_index: pool indices, best first, [n_ranked].
        scores: their scores, higher = sooner.
        suggestions: most probable class per ranked item and its probability; None without a model.
        metrics: evaluation accuracy of the proxy, if it was measured.
        seconds: training, inference, selection and evaluation, device-synchronised.
        proxy: the trained proxy; None where the strategy needs no model.
    """

    ranked_index: IntArray
    scores: FloatArray
    suggestions: tuple[IntArray, FloatArray] | None
    metrics: dict[str, Any]
    seconds: dict[str, float]
    proxy: TrainedModel | None = field(repr=False)


def random_stream(seed: int, round_number: int, purpose: str) -> np.random.Generator:
    """Return the generator of one purpose in one round.

    Derived from (seed, round, purpose), so that resuming or skipping a round changes no other.
    """
    words = [seed, round_number, *purpose.encode()]
    return np.random.default_rng(np.random.SeedSequence(words))


def training_seed(seed: int, round_number: int, purpose: str) -> int:
    """Return the seed of one training, below 2**31."""
    return int(random_stream(seed, round_number, purpose).integers(2**31))


def run_round_step(
    inputs: RoundInputs,
    strategy: str,
    model: str,
    recipe: Recipe,
    seed: int,
    round_number: int,
    *,
    device: str = "cpu",
    hooks: RoundHooks | None = None,
) -> RoundResult:
    """Return the ranking of one round, by a proxy trained on the labeled items if one is needed.

    The pool is scored without augmentation; the published code scored with random crops.

    Raises:
        TrainingStopped: `hooks.should_stop` asked for it; a checkpoint is on disk.
        SelectionStopped: the same, during the selection.
    """
    hooks = hooks or RoundHooks()
    watch = Stopwatch(device)
    pool_index = np.setdiff1d(np.arange(len(inputs.pool)), inputs.excluded_index)
    if len(pool_index) == 0:
        return _nothing_to_rank(hooks)
    proxy, signals, probs, metrics = None, Signals(n=len(pool_index)), None, {}
    if needed_signals(strategy):
        proxy = _train_proxy(inputs, model, recipe, seed, round_number, device, hooks, watch)
        if hooks.on_trained:
            hooks.on_trained()
        signals, probs = _measure_signals(inputs, strategy, proxy, pool_index, device, watch)
        metrics = evaluate(proxy, inputs.evaluation, device, watch)
    with watch.part("selection"):
        rng = random_stream(seed, round_number, "selection")
        ranking = rank(strategy, signals, inputs.n_ranked, rng, hooks.selection_watch(device))
    return RoundResult(
        ranked_index=pool_index[ranking.rows],
        scores=ranking.scores,
        suggestions=None if probs is None else _suggest(probs[ranking.rows]),
        metrics=metrics,
        seconds=watch.seconds,
        proxy=proxy,
    )


def _nothing_to_rank(hooks: RoundHooks) -> RoundResult:
    if hooks.on_trained:
        hooks.on_trained()
    return RoundResult(np.empty(0, np.int64), np.empty(0), None, {}, {}, None)


def evaluate(
    trained: TrainedModel, evaluation: Evaluation | None, device: str, watch: Stopwatch
) -> dict[str, Any]:
    """Return {"accuracy": ...} on the evaluation split, or {} without one."""
    if evaluation is None or len(evaluation.labels) == 0:
        return {}
    with watch.part("evaluation"):
        probs = predict(trained, evaluation.inputs, device=device).probs
    return {
        "accuracy": float(accuracy(probs, evaluation.labels)),
        "n_evaluation": len(evaluation.labels),
    }


def _train_proxy(
    inputs: RoundInputs,
    model: str,
    recipe: Recipe,
    seed: int,
    round_number: int,
    device: str,
    hooks: RoundHooks,
    watch: Stopwatch,
) -> TrainedModel:
    with watch.part("training"):
        return train(
            model,
            recipe,
            inputs.pool.take(inputs.labeled_index),
            inputs.labels,
            inputs.n_classes,
            training_seed(seed, round_number, "proxy"),
            device=device,
            checkpoint=hooks.checkpoint,
            on_progress=hooks.on_progress,
            should_stop=hooks.should_stop,
        )


def _measure_signals(
    inputs: RoundInputs,
    strategy: str,
    proxy: TrainedModel,
    pool_index: IntArray,
    device: str,
    watch: Stopwatch,
) -> tuple[Signals, npt.NDArray[np.float32]]:
    wants_features = Signal.FEATURES in needed_signals(strategy)
    with watch.part("inference"):
        pool = inputs.pool.take(pool_index)
        predictions = predict(proxy, pool, device=device, with_features=wants_features)
        labeled = None
        if wants_features:
            labeled = _features_of(proxy, inputs.pool.take(inputs.labeled_index), device)
    signals = Signals(
        n=len(pool_index),
        probs=predictions.probs,
        features=predictions.features,
        labeled_features=labeled,
    )
    return signals, predictions.probs


def _features_of(
    proxy: TrainedModel, inputs: Inputs, device: str
) -> npt.NDArray[np.float32] | None:
    predictions: Predictions = predict(proxy, inputs, device=device, with_features=True)
    return predictions.features


def _suggest(probs: npt.NDArray[np.float32]) -> tuple[IntArray, FloatArray]:
    return probs.argmax(axis=1).astype(np.int64), probs.max(axis=1).astype(np.float64)
