"""The registry of the kinds of experiments: a new kind is added here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from workers.simulation.active_learning.kind import ActiveLearning
from workers.simulation.config import ExperimentConfig
from workers.simulation.core_sets.kind import CoreSets
from workers.simulation.kind import Kind
from workers.simulation.model_studies.kind import ModelStudies

KINDS: Mapping[str, Kind[Any, Any]] = MappingProxyType(
    {kind.name: kind for kind in (ActiveLearning(), CoreSets(), ModelStudies())}
)


def kind_of(experiment: ExperimentConfig) -> Kind[Any, Any]:
    """Return the kind of an experiment."""
    return KINDS[experiment.kind]
