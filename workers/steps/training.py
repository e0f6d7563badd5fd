"""Seeds, watched training and evaluation, shared by rounds, targets and core-sets."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.catalog import ModelSetup
from models.data.arrays import Inputs
from models.data.labeled import LabeledSet
from models.predict import accuracy, predict
from models.training.checkpoints import CheckpointFile
from models.training.timing import Stopwatch
from models.training.train import EpochHook, TrainedModel, TrainProgress, train
from selection.arrays import IntArray
from selection.watch import Watch
from workers.steps.predictions import ItemPredictions


@dataclass(frozen=True)
class Evaluation:
    """The evaluation split, on which every accuracy is measured."""

    inputs: Inputs
    labels: IntArray
    index: IntArray | None = None  # in the split; None: all of it

    @property
    def items(self) -> IntArray:
        """The place of each item in the split."""
        return np.arange(len(self.labels)) if self.index is None else self.index


@dataclass(frozen=True)
class RoundHooks:
    """Hooks that watch, stop and resume a running step; the result does not depend on them."""

    checkpoint: CheckpointFile | None = None
    on_progress: Callable[[TrainProgress], None] | None = None
    on_epoch: EpochHook | None = None
    on_trained: Callable[[], None] | None = None
    should_stop: Callable[[], bool] | None = None

    @property
    def selection_file(self) -> Path | None:
        """File in which a long selection keeps its state, beside the training's checkpoint."""
        if self.checkpoint is None:
            return None
        return self.checkpoint.path.with_suffix(".selection.npz")

    def selection_watch(self, device: str) -> Watch:
        """Return how the selection is watched, stopped and resumed."""
        return Watch(device, should_stop=self.should_stop, state_file=self.selection_file)

    def forget(self) -> None:
        """Remove the saved state."""
        if self.checkpoint:
            self.checkpoint.remove()
        if self.selection_file:
            self.selection_file.unlink(missing_ok=True)


def random_stream(seed: int, round_number: int, purpose: str) -> np.random.Generator:
    """Return the generator of one purpose in one round.

    Derived from (seed, round, purpose), so that resuming or skipping a round changes no other.
    """
    words = [seed, round_number, *purpose.encode()]
    return np.random.default_rng(np.random.SeedSequence(words))


def training_seed(seed: int, labels: IntArray) -> int:
    """Return the seed of a training on these labels, in the pool's order, below 2**31.

    Derived from (seed, labels), so that arms which train a model on the same items get the same
    model, whatever it is for and in whichever round. With the round's number they would get
    different models, and the difference would be chance.
    """
    digest = hashlib.sha256(np.ascontiguousarray(labels, "<i8").tobytes()).hexdigest()
    return int(random_stream(seed, 0, f"training {digest}").integers(2**31))


def train_watched(  # noqa: PLR0913 - by name: where it runs, how it is watched and measured
    setup: ModelSetup,
    labeled: LabeledSet,
    seed: int,
    watch: Stopwatch,
    hooks: RoundHooks,
    *,
    counts_forgetting: bool = False,
    initial: TrainedModel | None = None,
) -> TrainedModel:
    """Return a model trained by `training_seed` of this seed and these labels.

    Its seconds are the stopwatch's part "training": those before a resumption included, those of
    `hooks.on_epoch` not.

    Raises:
        TrainingStopped: `hooks.should_stop` asked for it; a checkpoint is on disk.
    """
    with watch.part("training"):
        trained = train(
            setup,
            labeled,
            training_seed(seed, labeled.labels),
            device=watch.device,
            count_forgetting=counts_forgetting,
            initial=initial,
            checkpoint=hooks.checkpoint,
            on_progress=hooks.on_progress,
            on_epoch=hooks.on_epoch,
            should_stop=hooks.should_stop,
        )
    if hooks.on_epoch or trained.spent.wall > watch.of("training").wall:
        watch.put("training", trained.spent)
    return trained


def evaluate(
    trained: TrainedModel, evaluation: Evaluation | None, device: str, watch: Stopwatch
) -> dict[str, Any]:
    """Return {"accuracy": ...} on the evaluation split, or {} without one."""
    return accuracy_metrics(predict_evaluation(trained, evaluation, device, watch))


def predict_evaluation(
    trained: TrainedModel, evaluation: Evaluation | None, device: str, watch: Stopwatch
) -> ItemPredictions | None:
    """Return the predictions of the evaluation split, or None without one."""
    if evaluation is None or len(evaluation.labels) == 0:
        return None
    with watch.part("evaluation"):
        probs = predict(trained, evaluation.inputs, device=device).probs
    return ItemPredictions(evaluation.items, probs, evaluation.labels)


def accuracy_metrics(found: ItemPredictions | None) -> dict[str, Any]:
    """Return {accuracy, n_evaluation} of labeled predictions; {} of none."""
    if found is None or found.labels is None:
        return {}
    return {
        "accuracy": float(accuracy(found.probs, found.labels)),
        "n_evaluation": len(found.labels),
    }


def accuracy_at_epochs(evaluation: Evaluation | None, device: str) -> EpochHook | None:
    """Return a hook that measures a model on the evaluation split; None without one."""
    if evaluation is None:
        return None

    def measure(_epoch: int, trained: TrainedModel) -> float | None:
        return evaluate(trained, evaluation, device, Stopwatch(device)).get("accuracy")

    return measure
