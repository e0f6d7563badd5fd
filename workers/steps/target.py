"""The target as a pure function of arrays: train it on the labels at hand, measure it.

The service's job and `svp simulate` both call `run_target_step`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.data.arrays import Inputs
from models.recipe import Recipe
from models.training.timing import Stopwatch
from models.training.train import TrainedModel
from workers.steps.training import (
    Evaluation,
    RoundHooks,
    evaluate,
    train_watched,
    training_seed,
)

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TargetResult:
    """The trained target; its metrics on the evaluation split; training and evaluation seconds."""

    trained: TrainedModel
    metrics: dict[str, float]
    seconds: dict[str, float]


def run_target_step(
    labeled: Inputs,
    labels: IntArray,
    n_classes: int,
    evaluation: Evaluation | None,
    model: str,
    recipe: Recipe,
    seed: int,
    *,
    device: str = "cpu",
    hooks: RoundHooks | None = None,
) -> TargetResult:
    """Return the target trained on all labels.

    Args:
        labeled: the labeled items, ascending by pool index, [m].
        labels: their class indices, [m].
        n_classes: C.
        evaluation: None where there is no evaluation split.
        model: name in models.catalog.
        recipe: how to train it.
        seed: of the project or run.
        device: "cpu" or "cuda[:i]".
        hooks: how the training is watched, stopped and resumed.

    Raises:
        TrainingStopped: `hooks.should_stop` asked for it; a checkpoint is on disk.
    """
    hooks = hooks or RoundHooks()
    watch = Stopwatch(device)
    trained = train_watched(
        model,
        recipe,
        labeled,
        labels,
        n_classes,
        training_seed(seed, labels),
        watch,
        hooks,
    )
    metrics = evaluate(trained, evaluation, device, watch)
    return TargetResult(trained, metrics, watch.seconds)
