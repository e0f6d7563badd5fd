"""The target as a pure function of arrays: train it on all labels, measure it.

The service's job and `svp simulate` both call `run_target_step`.
"""

from dataclasses import dataclass

from models.catalog import ModelSetup
from models.data.labeled import LabeledSet
from models.seconds import PartSeconds
from models.training.timing import Stopwatch
from models.training.train import TrainedModel
from workers.steps.predictions import ModelPredictions
from workers.steps.training import (
    Evaluation,
    RoundHooks,
    accuracy_metrics,
    predict_evaluation,
    train_watched,
)


@dataclass(frozen=True)
class TargetResult:
    """The trained target; its metrics on the evaluation split; training and evaluation seconds.

    `predictions` are those of the evaluation split.
    """

    trained: TrainedModel
    metrics: dict[str, float]
    seconds: PartSeconds
    predictions: ModelPredictions


def run_target_step(  # noqa: PLR0913 - by name: where it runs, how it is watched
    setup: ModelSetup,
    labeled: LabeledSet,
    evaluation: Evaluation | None,
    seed: int,
    *,
    device: str = "cpu",
    hooks: RoundHooks | None = None,
) -> TargetResult:
    """Return the target trained on all labels.

    Args:
        setup: the target, and how to train it.
        labeled: the labeled items, ascending by pool index.
        evaluation: None where there is no evaluation split.
        seed: of the project or run.
        device: "cpu" or "cuda[:i]".
        hooks: how the training is watched, stopped and resumed.

    Raises:
        TrainingStopped: `hooks.should_stop` asked for it; a checkpoint is on disk.
    """
    watch = Stopwatch(device)
    trained = train_watched(setup, labeled, seed, watch, hooks or RoundHooks())
    predicted = predict_evaluation(trained, evaluation, device, watch)
    return TargetResult(
        trained, accuracy_metrics(predicted), watch.seconds, ModelPredictions(predicted)
    )
