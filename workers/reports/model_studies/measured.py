"""Points of model studies: errors and seconds by epoch, similarity of models' orders.

The reference is the model that the others are compared with as training goes on: the experiment's
"target", else its last one.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from workers.reports.model_studies.correlation import FloatArray, Runs, between_runs, spearman
from workers.reports.paper_numbers import NOTHING, PaperNumber, everything
from workers.reports.sources import (
    Arm,
    Setting,
    Source,
    merge_arms,
    paper_dataset,
    require_same,
    setting_of,
)
from workers.reports.statistics import Estimate, correlations, estimate
from workers.simulation.config import WITHOUT_EFFECT, ExperimentError
from workers.simulation.model_studies.config import ModelStudyConfig
from workers.simulation.model_studies.lines import StudyLine, read_scores

Sources = Sequence[Source[ModelStudyConfig, StudyLine]]
RANKINGS = ("forgetting_events", "entropy", "k_centers_rank")
UNCERTAINTIES = ("entropy", "margin")
MINUTE = 60.0
SHOWN_EPOCHS = 10


@dataclass(frozen=True)
class StudyModel:
    """One model of a study over its seeds.

    Attributes:
        runs: seed -> lines by epoch, ascending; their scores_file is a path.
        dataset: the paper's, whose numbers are comparable; None where none are.
    """

    name: str
    architecture: str
    runs: Mapping[int, Sequence[StudyLine]]
    dataset: str | None

    @property
    def depth(self) -> int | None:
        """Layers by the architecture's name; None where it does not tell."""
        found = re.fullmatch(r"(?:preact|resnet|vdcnn)(\d+)", self.architecture)
        return None if found is None else int(found[1])

    @property
    def epochs(self) -> list[int]:
        """The epochs after which it was measured, ascending."""
        return sorted({line.epoch for run in self.runs.values() for line in run})

    @property
    def whole(self) -> dict[int, StudyLine]:
        """Seed -> the line of the last epoch, of the runs that reached it."""
        return {s: run[-1] for s, run in self.runs.items() if run[-1].epoch == run[-1].epochs}

    @property
    def error(self) -> Estimate | None:
        """The error after the last epoch."""
        return _mean([line.error for line in self.whole.values()])

    @property
    def minutes(self) -> Estimate | None:
        """Seconds of training until the last epoch."""
        return _mean([line.train_seconds / MINUTE for line in self.whole.values()])

    @property
    def is_shared(self) -> bool:
        """Whether training waited for other work on the machine in any run."""
        return any(line.is_shared for line in self.whole.values())

    @property
    def paper(self) -> PaperNumber:
        """The paper's number for this model trained on everything, where it is comparable."""
        return NOTHING if self.dataset is None else everything(self.dataset, self.architecture)

    def at(self, epoch: int) -> list[StudyLine]:
        """Return the lines of one epoch."""
        return [line for run in self.runs.values() for line in run if line.epoch == epoch]

    def scores(self, ranking: str, epoch: int | None = None) -> dict[int, FloatArray]:
        """Return seed -> per-item scores after an epoch, by default the last; {} without any."""
        lines = self.whole if epoch is None else {line.seed: line for line in self.at(epoch)}
        read = {seed: _scores(line) for seed, line in lines.items()}
        return {seed: scores[ranking] for seed, scores in read.items() if ranking in scores}


@dataclass(frozen=True)
class Study:
    """All models of a report.

    Attributes:
        models: by what the pictures call them.
        reference: of `models`.
        dataset: the paper's, whose numbers are comparable; None where none are.
        same_initial: whether all runs share the first centres of greedy k-centers.
    """

    models: Mapping[str, StudyModel]
    reference: str
    dataset: str | None
    same_initial: bool

    @cached_property
    def finals(self) -> dict[str, dict[str, Runs]]:
        """Ranking -> model -> seed -> scores after the last epoch; only what was measured."""
        found: dict[str, dict[str, Runs]] = {}
        for ranking in RANKINGS:
            scores = {name: model.scores(ranking) for name, model in self.models.items()}
            known: dict[str, Runs] = {name: runs for name, runs in scores.items() if runs}
            if sum(len(runs) for runs in known.values()) > 1:
                found[ranking] = known
        return found

    def as_training_goes_on(self, ranking: str) -> dict[str, dict[int, Estimate]]:
        """Return model -> epoch -> Spearman's correlation with the reference's last epoch.

        Between different runs: Figures 11 and 12.
        """
        last = self.finals.get(ranking, {}).get(self.reference, {})
        found: dict[str, dict[int, Estimate]] = {}
        for name, model in self.models.items():
            for epoch in model.epochs:
                runs = model.scores(ranking, epoch)
                value = between_runs(runs, last, spearman) if last and runs else None
                if value is not None:
                    found.setdefault(name, {})[epoch] = value
        return found

    def between_epochs(self, model: str, ranking: str) -> dict[tuple[int, int], Estimate]:
        """Return Spearman's correlation of a model's epochs within the same run, both ways.

        Of at most `SHOWN_EPOCHS` epochs, the first and the last among them.
        """
        measured = self.models[model]
        epochs = measured.epochs
        places = np.linspace(0, len(epochs) - 1, min(len(epochs), SHOWN_EPOCHS)).round().astype(int)
        scores = {epochs[place]: measured.scores(ranking, epochs[place]) for place in places}
        found = {}
        for first, runs in scores.items():
            for second, others in scores.items():
                value = within_run(runs, others) if first <= second else None
                if value is not None:
                    found[first, second] = found[second, first] = value
        return found

    def with_confidence(self, model: str, uncertainty: str) -> Estimate | None:
        """Return Spearman's correlation of entropy or margin with confidence, same model."""
        measured = self.models[model]
        return within_run(measured.scores(uncertainty), measured.scores("least_confidence"))


def within_run(first: Runs, second: Runs) -> Estimate | None:
    """Return the mean over seeds of Spearman's correlation of two orders of the same run."""
    found = [spearman(first[seed], second[seed]) for seed in first if seed in second]
    defined = [value for value in found if not np.isnan(value)]
    return correlations(defined) if defined else None


def measure(sources: Sources) -> tuple[Study, list[Arm[StudyLine]]]:
    """Return the models that have run, and all that should have.

    Raises:
        ExperimentError: the folders' pools or first centres differ.
    """
    require_same(sources, "data_seed", lambda source: source.experiment.data_seed)
    require_same(sources, "same_initial", lambda source: source.experiment.same_initial)
    require_same(sources, "initial_uniform", lambda source: source.experiment.initial_uniform)
    located = [_with_paths(source) for source in sources]
    merged = merge_arms(located, lambda experiment: experiment.models, _setting)
    dataset = paper_dataset(sources)
    named = _names([arm for arm in merged if arm.runs])
    models = {
        name: StudyModel(arm.name, arm.setting.selector, arm.runs, dataset)
        for name, arm in named.items()
    }
    if not models:
        raise ExperimentError("None of the models has run.")
    reference = next((n for n, m in models.items() if m.name == "target"), list(models)[-1])
    return Study(models, reference, dataset, sources[0].experiment.same_initial), merged


def lacks(run: Sequence[StudyLine]) -> str:
    """Return at which epoch a run stopped; "" where it is whole."""
    last = run[-1]
    return "" if last.epoch == last.epochs else f"stopped at epoch {last.epoch} of {last.epochs}"


def _with_paths(source: Source[ModelStudyConfig, StudyLine]) -> Source[ModelStudyConfig, StudyLine]:
    """Return the source with its lines in order of epochs, their scores_file as a path."""
    lines = {
        key: [
            replace(line, scores_file=str(source.folder / line.scores_file))
            for line in sorted(run, key=lambda line: line.epoch)
        ]
        for key, run in source.lines.items()
    }
    return replace(source, lines=lines)


def _scores(line: StudyLine) -> dict[str, FloatArray]:
    """Return the scores of a line whose scores_file is a path; first centres have no rank: NaN."""
    scores = read_scores(Path(), line)
    if "k_centers_rank" in scores:
        ranks = scores["k_centers_rank"]
        scores["k_centers_rank"] = np.where(ranks == 0, np.nan, ranks)
    return scores


def _names(arms: Sequence[Arm[StudyLine]]) -> dict[str, Arm[StudyLine]]:
    """Return the arms by their model, and by their own name, too, where two have the same."""
    short = [arm.setting.selector for arm in arms]
    return {
        name if short.count(name) == 1 else f"{name} ({arm.name})": arm
        for name, arm in zip(short, arms, strict=True)
    }


def _setting(experiment: ModelStudyConfig, model: str) -> Setting:
    config = experiment.models[model]
    of_all = {
        *WITHOUT_EFFECT,
        "name",
        "models",
        "data",
        "data_seed",
        "same_initial",
        "initial_uniform",
    }
    other = experiment.model_dump(mode="json", exclude=of_all)
    return setting_of("", config, other)


def _mean(values: Sequence[float]) -> Estimate | None:
    return estimate(values) if values else None
