"""Whether an experiment's figures may stand beside the paper's: like with like."""

from collections.abc import Iterable
from typing import Any

from workers.simulation.config import ModelConfig
from workers.simulation.kinds import (
    ActiveLearningConfig,
    AnyExperiment,
    CoreSetConfig,
    ModelStudyConfig,
)
from workers.simulation.load import bundled


def is_paper_scale(experiment: AnyExperiment, data: Iterable[str]) -> bool:
    """Return whether lines on this data repeat a bundled experiment at the paper's settings.

    The data must be the published files, whole; budgets or fractions, the target and its recipe
    the same; arms may be left out, but each that is there must be one of the bundled one's. Which
    published trap is set does not matter, nor names, titles and seeds.

    Args:
        experiment: any.
        data: what the lines call their data.
    """
    if any(title != experiment.data.name for title in data):  # modified files
        return False
    return any(
        shipped.paper is not None
        and shipped.data.n_pool is None
        and _frame(shipped) == _frame(experiment)
        and _arms(experiment) <= _arms(shipped)
        for shipped in bundled().values()
    )


def _frame(experiment: AnyExperiment) -> dict[str, Any]:
    """Return what all arms have in common."""
    frame: dict[str, Any] = {"kind": experiment.kind, "data": experiment.data}
    if isinstance(experiment, ModelStudyConfig):
        return frame | {"trains": experiment.trains, "initial": experiment.initial_uniform}
    frame["target"] = _trained(experiment.models["target"])
    if isinstance(experiment, CoreSetConfig):
        return frame | {"fractions": experiment.fractions}
    same = ("budgets", "labels_per_item", "selection", "oracle")
    return frame | {name: getattr(experiment, name) for name in same}


def _arms(experiment: AnyExperiment) -> set[tuple[Any, ...]]:
    models = experiment.models
    if isinstance(experiment, ModelStudyConfig):
        return {_trained(model) for model in models.values()}
    if isinstance(experiment, ActiveLearningConfig):
        return {
            (experiment.strategy_of(arm), _trained(experiment.selector_of(arm)))
            for arm in experiment.arms
        }
    return {
        (
            settings.strategy,
            settings.class_balance,
            settings.initial_uniform,
            _trained(models.get(experiment.selector_of(arm) or "")),
        )
        for arm, settings in experiment.arms.items()
    }


def _trained(model: ModelConfig | None) -> tuple[str, str]:
    return ("none", "") if model is None else (model.model, model.resolved.hash)
