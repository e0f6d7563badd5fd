"""Studies of models in process: trained on the whole pool, measured as they go, scores kept.

Every measurement ends in a file of scores and a line on the disk; the training goes on from its
checkpoint. Between two checkpoints a training that was killed repeats what it had measured already:
with the same bits, so the lines that are there stay.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.catalog import find_model
from models.forgetting import ForgettingCounts
from models.predict import accuracy, predict
from models.pretrained import weights_hash
from models.registry import fresh_network
from models.timing import Stopwatch
from models.train import EpochHook, TrainedModel
from selection.registry import rank
from selection.types import Signals
from selection.uncertainty import entropy, least_confidence, margin
from selection.watch import Watch
from workers.coreset_step import initial_rows, train_selector
from workers.round_step import random_stream
from workers.scoring import with_zeros_first
from workers.simulation.config import ExperimentError
from workers.simulation.context import SeedContext
from workers.simulation.kinds import ModelStudyConfig
from workers.simulation.results import LinesOf, StudyLine

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class StudyContext(SeedContext):
    """One model of a study with one seed, and where it runs."""

    experiment: ModelStudyConfig
    model: str

    @cached_property
    def lines(self) -> LinesOf[StudyLine]:
        """The model's lines."""
        return LinesOf(StudyLine, self.folder, self.model, self.seed)


def replay_study(context: StudyContext, on_line: Callable[[StudyLine], None]) -> None:
    """Measure the model after the epochs that are not on the disk yet; give out all lines."""
    known = context.lines.read()
    for line in known:
        on_line(line)
    wanted = set(context.experiment.recorded_of(context.model)) - {line.epoch for line in known}
    if not wanted:
        return

    def measure(epoch: int, trained: TrainedModel) -> None:
        if epoch in wanted:
            line = _measured_line(context, epoch, trained)
            context.lines.append(line)
            on_line(line)

    if context.experiment.trains:
        _train(context, measure)
    else:
        measure(0, _untrained(context))


def _train(context: StudyContext, measure: EpochHook) -> None:
    model = context.experiment.models[context.model]
    hooks = context.hooks(context.model)
    train_selector(
        context.pool(model),
        context.data.pool.labels,
        len(context.data.classes),
        model.model,
        model.resolved,
        context.seed,
        Stopwatch(context.device),
        counts_forgetting=find_model(model.model).counts_forgetting,
        evaluation=None,
        hooks=replace(hooks, on_epoch=measure),
    )
    hooks.forget()


def _untrained(context: StudyContext) -> TrainedModel:
    """Return the model as its recipe's weights have it."""
    model = context.experiment.models[context.model]
    pool, n_classes = context.pool(model), len(context.data.classes)
    return TrainedModel(
        network=fresh_network(model.model, model.resolved, pool, n_classes),
        model=model.model,
        recipe=model.resolved,
        spec=pool.spec,
        n_classes=n_classes,
        seed=context.seed,
        seconds=0.0,
        final_loss=float("nan"),
        pretrained_hash=weights_hash(Path(str(model.resolved.weights))),
    )


def _measured_line(context: StudyContext, epoch: int, trained: TrainedModel) -> StudyLine:
    model = context.experiment.models[context.model]
    evaluation = context.evaluation(model)
    probs = predict(trained, evaluation.inputs, device=context.device).probs
    name = f"{context.model}-seed{context.seed}-epoch{epoch}.npz"
    _write_scores(context, name, _scores(context, epoch, trained))
    return StudyLine(
        experiment=context.experiment.name,
        experiment_hash=context.experiment.hash,
        data=context.data.title,
        model=context.model,
        architecture=trained.model,
        seed=context.seed,
        epochs=context.experiment.epochs_of(context.model),
        epoch=epoch,
        error=1 - accuracy(probs, evaluation.labels),
        train_seconds=trained.seconds,
        scores_file=name,
        device=context.device,
        recipe_hash=trained.recipe.hash,
        via="process",
    )


def _scores(context: StudyContext, epoch: int, trained: TrainedModel) -> dict[str, FloatArray]:
    """Return what `results.read_scores` tells of."""
    is_last = epoch == context.experiment.epochs_of(context.model)
    ranks = is_last and context.experiment.k_centers_budget != 0
    pool = context.pool(context.experiment.models[context.model])
    scoring = context.scoring("any")
    found = scoring.predict(trained, pool, device=context.device, with_features=ranks)
    zeros_first = context.scoring("entropy").zeros_first
    scores = {
        "entropy": entropy(with_zeros_first(found.probs) if zeros_first else found.probs),
        "least_confidence": least_confidence(found.probs),
        "margin": margin(found.probs),
    }
    if trained.forgetting is not None:
        scores["forgetting_events"] = _events(trained.forgetting)
    if found.features is not None:
        scores["k_centers_rank"] = _k_centers_rank(context, found.features)
    return scores


def _events(forgetting: ForgettingCounts) -> FloatArray:
    return np.where(forgetting.is_learned, forgetting.counts.astype(np.float64), np.inf)


def _k_centers_rank(context: StudyContext, features: npt.NDArray[np.floating]) -> FloatArray:
    """Return each item's place in the greedy order, from 1; 0 for the first centres, [n_pool].

    Source: Selection via Proxy, section 3.3: from 1,000 random points the rest is ranked by the
    order in which algorithm 1 adds it.
    """
    experiment, n = context.experiment, len(features)
    seed = experiment.data_seed if experiment.same_initial else context.seed
    initial = initial_rows(n, experiment.initial_uniform, seed)
    rest = np.setdiff1d(np.arange(n), initial)
    wanted = len(rest) if experiment.k_centers_budget is None else experiment.k_centers_budget
    if wanted > len(rest):
        raise ExperimentError(
            f"k_centers_budget is {wanted}, but {len(rest)} items of {n} are no first centres."
        )
    centres = features[initial] if len(initial) else None
    signals = Signals(len(rest), features=features[rest], labeled_features=centres)
    stream = random_stream(seed, 0, "core-set selection")
    ranking = rank("k_centers", signals, wanted, stream, Watch(context.device))
    places = np.full(n, float(wanted + 1))
    places[initial] = 0
    places[rest[ranking.rows]] = np.arange(1, wanted + 1)
    return places


def _write_scores(context: StudyContext, name: str, scores: dict[str, FloatArray]) -> None:
    """Write the file of scores whole or not at all."""
    context.folder.mkdir(parents=True, exist_ok=True)
    temporary = context.folder / f"{name}.tmp"
    with temporary.open("wb") as file:
        np.savez_compressed(file, **scores)  # type: ignore[arg-type]
    temporary.replace(context.folder / name)
