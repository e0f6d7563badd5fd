"""Studies of models in process: trained on the whole pool, measured as they go, scores kept.

Every measurement ends in a file of scores and a line on the disk. An interrupted training resumes
from its checkpoint and repeats, bit by bit, what it had measured since: lines that are there stay.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.storage.durable import replaced
from models.catalog import find_model
from models.networks.build import fresh_network
from models.networks.pretrained import weights_hash
from models.predict import accuracy, predict
from models.seconds import Spent
from models.training.timing import Stopwatch
from models.training.train import EpochHook, TrainedModel
from selection.arrays import Scores
from selection.rank import rank
from selection.types import Signals
from selection.uncertainty import entropy
from selection.watch import Watch
from workers.simulation.config import ExperimentError
from workers.simulation.context import SeedContext
from workers.simulation.model_studies.config import ModelStudyConfig
from workers.simulation.model_studies.lines import StudyLine
from workers.simulation.results import LinesOf
from workers.steps.core_set import initial_rows, train_selector
from workers.steps.scoring import item_scores, with_zeros_first
from workers.steps.training import random_stream


@dataclass(frozen=True, kw_only=True)
class StudyContext(SeedContext):
    """One model of a study with one seed, and where it runs."""

    experiment: ModelStudyConfig
    model: str

    @cached_property
    def lines(self) -> LinesOf[StudyLine]:
        """The model's lines."""
        return LinesOf(StudyLine, self.folder, self.model, self.seed)

    def line(self, epoch: int) -> StudyLine:
        """Return a line without its measurements."""
        experiment, model = self.experiment, self.experiment.models[self.model]
        return StudyLine(
            experiment=experiment.name,
            experiment_hash=experiment.hash,
            data=self.data.title,
            model=self.model,
            architecture=model.model,
            seed=self.seed,
            epochs=experiment.epochs_of(self.model),
            epoch=epoch,
            error=float("nan"),
            train_seconds=float("nan"),
            scores_file=f"{self.model}-seed{self.seed}-epoch{epoch}.npz",
            device=self.device,
            recipe_hash=model.resolved.hash,
            via="process",
        )

    @property
    def draw_seed(self) -> int:
        """The seed of the first centres: the data's, where all runs share them."""
        return self.experiment.data_seed if self.experiment.same_initial else self.seed

    @property
    def n_ranked(self) -> int:
        """Number of items that the greedy k-centers order ranks after the first centres; 0: none.

        Raises:
            ExperimentError: fewer are left.
        """
        experiment, n = self.experiment, len(self.data.pool)
        n_rest = n - min(experiment.initial_uniform, n)
        wanted = n_rest if experiment.k_centers_budget is None else experiment.k_centers_budget
        if wanted > n_rest:
            raise ExperimentError(
                f"k_centers_budget is {wanted}, but {n_rest} items of {n} are no first centres."
            )
        return wanted

    def ranks_at(self, epoch: int) -> bool:
        """Whether a measurement after this epoch holds the greedy k-centers order."""
        is_last = epoch == self.experiment.epochs_of(self.model)
        return is_last and self.experiment.k_centers_budget != 0

    def write_scores(self, line: StudyLine, scores: dict[str, Scores]) -> None:
        """Write the line's file of scores whole or not at all."""
        with replaced(self.folder / line.scores_file) as file:
            np.savez_compressed(file, **scores)  # type: ignore[arg-type]


def replay_study(context: StudyContext, on_line: Callable[[StudyLine], None]) -> None:
    """Measure the model after the missing epochs; yield all lines."""
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
    context.warm_up(model)
    train_selector(
        model.setup,
        context.whole_pool(model),
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
        network=fresh_network(model.setup, pool, n_classes),
        setup=model.setup,
        spec=pool.spec,
        n_classes=n_classes,
        seed=context.seed,
        spent=Spent(),
        final_loss=float("nan"),
        pretrained_hash=weights_hash(Path(str(model.resolved.weights))),
    )


def _measured_line(context: StudyContext, epoch: int, trained: TrainedModel) -> StudyLine:
    model = context.experiment.models[context.model]
    evaluation = context.evaluation(model)
    probs = predict(trained, evaluation.inputs, device=context.device).probs
    line = replace(
        context.line(epoch),
        error=1 - accuracy(probs, evaluation.labels),
        train_seconds=trained.spent.wall,
        train_cpu_seconds=trained.spent.cpu,
        recipe_hash=trained.recipe.hash,
    )
    context.write_scores(line, _scores(context, epoch, trained))
    return line


def _scores(context: StudyContext, epoch: int, trained: TrainedModel) -> dict[str, Scores]:
    """Return the arrays that `results.read_scores` describes."""
    pool = context.pool(context.experiment.models[context.model])
    found = context.scoring("any").predict(
        trained, pool, device=context.device, with_features=context.ranks_at(epoch)
    )
    scores = item_scores(found.probs, trained.forgetting)
    if context.scoring("entropy").zeros_first:
        scores["entropy"] = entropy(with_zeros_first(found.probs))
    if found.features is not None:
        scores["k_centers_rank"] = _k_centers_rank(context, found.features)
    return scores


def _k_centers_rank(context: StudyContext, features: npt.NDArray[np.floating]) -> Scores:
    """Return each item's place in the greedy order, as `places`.

    Source: Selection via Proxy, section 3.3: from 1,000 random points the rest is ranked by the
    order in which algorithm 1 adds it.
    """
    n, wanted = len(features), context.n_ranked
    initial = initial_rows(n, context.experiment.initial_uniform, context.draw_seed)
    rest = np.setdiff1d(np.arange(n), initial)
    centres = features[initial] if len(initial) else None
    signals = Signals(len(rest), features=features[rest], labeled_features=centres)
    stream = random_stream(context.draw_seed, 0, "core-set selection")
    ranking = rank("k_centers", signals, wanted, stream, Watch(context.device))
    return places(n, initial, rest[ranking.rows])


def places(n: int, initial: npt.NDArray[np.int64], ranked: npt.NDArray[np.int64]) -> Scores:
    """Return the place of each of n items in a greedy order, [n].

    It is 0 for the first centres, then counts from 1; items not reached share the last place.
    """
    found = np.full(n, float(len(ranked) + 1))
    found[initial] = 0
    found[ranked] = np.arange(1, len(ranked) + 1)
    return found
