"""Units of an experiment, which run one after another or side by side, and their work.

A unit is what shares nothing costly with the others of its seed: an arm of active learning, the
arms that one selector of core-sets serves, one model of a study.
"""

from collections import Counter
from pathlib import Path

from workers.simulation.core_sets.replay import arms_of, fractions_of
from workers.simulation.kinds import (
    ALL,
    ActiveLearningConfig,
    AnyExperiment,
    ModelStudyConfig,
)
from workers.simulation.results import CoreSetLine, LineFile, LinesOf, StudyLine


def units_of(experiment: AnyExperiment) -> list[str]:
    """Return the names of an experiment's units, in the order in which they run."""
    if isinstance(experiment, ActiveLearningConfig):
        return list(experiment.arms)
    if isinstance(experiment, ModelStudyConfig):
        return list(experiment.models)
    selectors = dict.fromkeys(experiment.selector_of(arm) for arm in experiment.arms)
    return [name for name in selectors if name is not None] + [ALL]


def steps_of(experiment: AnyExperiment, unit: str) -> int:
    """Return how far a unit goes: in labels, core-sets, or epochs."""
    if isinstance(experiment, ActiveLearningConfig):
        return experiment.budgets.total_budget
    if isinstance(experiment, ModelStudyConfig):
        return experiment.epochs_of(unit)
    return sum(len(fractions_of(experiment, arm)) for arm in arms_of(experiment, unit))


def is_finished(experiment: AnyExperiment, out: Path, unit: str, seed: int) -> bool:
    """Whether all lines of a unit and seed are on the disk.

    Of a pool that ends before the budget does this says no; running it finds nothing to do.
    """
    if isinstance(experiment, ActiveLearningConfig):
        rounds = LineFile(out, unit, seed).read()
        return bool(rounds) and rounds[-1].n_labeled >= experiment.budgets.total_budget
    if isinstance(experiment, ModelStudyConfig):
        lines = LinesOf(StudyLine, out, unit, seed).read()
        return {line.epoch for line in lines} == set(experiment.recorded_of(unit))
    return all(
        {line.fraction for line in LinesOf(CoreSetLine, out, arm, seed).read()}
        == set(fractions_of(experiment, arm))
        for arm in arms_of(experiment, unit)
    )


def item_epochs(experiment: AnyExperiment, unit: str, n_pool: int) -> Counter[str]:
    """Return how many items, each once an epoch, a unit trains of each model with one seed."""
    epochs = {name: model.resolved.epochs for name, model in experiment.models.items()}
    if isinstance(experiment, ModelStudyConfig):
        return Counter({unit: n_pool * experiment.epochs_of(unit)})
    if isinstance(experiment, ActiveLearningConfig):
        return _item_epochs_of_arm(experiment, unit, epochs)
    kept = sum(sum(fractions_of(experiment, arm)) for arm in arms_of(experiment, unit))
    work = Counter({"target": round(n_pool * kept) * epochs["target"]})
    if unit != ALL:
        work[unit] += n_pool * epochs[unit]
    return work


def _item_epochs_of_arm(
    experiment: ActiveLearningConfig, arm: str, epochs: dict[str, int]
) -> Counter[str]:
    points = experiment.budgets.points()
    work = Counter({"target": sum(points) * epochs["target"]})
    selector = experiment.selector_of(arm)
    if selector is not None and selector != experiment.models["target"]:
        name = experiment.arms[arm].selector
        work[name] += sum(points[:-1]) * epochs[name]
    return work
