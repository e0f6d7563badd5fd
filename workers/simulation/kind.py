"""The protocol of a kind of experiment.

A kind is a package here that implements `Kind`, and one in workers.reports for its report;
workers.simulation.kinds lists the kinds.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from svp_client import Client
from workers.simulation.bars import Bar, Step
from workers.simulation.config import ExperimentConfig, ModelConfig
from workers.simulation.context import SeedContext
from workers.simulation.data import DataSet, load_data
from workers.simulation.download import Progress
from workers.simulation.results import Line

Experiment = TypeVar("Experiment", bound=ExperimentConfig)


@dataclass(frozen=True)
class Service:
    """A running service, where an experiment goes through one.

    Attributes:
        run_id: tells this run from others of the same experiment in one service.
    """

    client: Client
    run_id: str


class Kind(ABC, Generic[Experiment, Line]):
    """A kind of experiment.

    An experiment has units, which run one after another or side by side. A unit shares nothing
    costly with the others of its seed.

    Attributes:
        name: as an experiment's file says `kind`.
        experiment_type: its settings.
        line_type: what its results are written as, a JSON object a line.
        report: "module:function" that makes a Document of the folders read.
    """

    name: str
    experiment_type: type[Experiment]
    line_type: type[Line]
    report: str

    @abstractmethod
    def units(self, experiment: Experiment) -> list[str]:
        """Return the names of the units, in the order in which they run."""

    @abstractmethod
    def n_steps(self, experiment: Experiment, unit: str) -> int:
        """Return how far a unit goes: in labels, core-sets or epochs."""

    @abstractmethod
    def item_epochs(self, experiment: Experiment, unit: str, n_pool: int) -> Counter[str]:
        """Return how many items a unit trains with one seed, by model, counted once per epoch."""

    @abstractmethod
    def is_finished(self, experiment: Experiment, out: Path, unit: str, seed: int) -> bool:
        """Whether all lines of a unit and seed are on the disk."""

    @abstractmethod
    def run(
        self,
        experiment: Experiment,
        unit: str,
        seed: SeedContext,
        bar: Bar,
        service: Service | None,
    ) -> None:
        """Write the missing lines of a unit; show all of them on the bar."""

    @abstractmethod
    def step(self, line: Line) -> Step:
        """Return how far a unit is with this line."""

    @abstractmethod
    def frame(self, experiment: Experiment) -> dict[str, Any]:
        """Return the settings that all arms share and that must be the paper's."""

    @abstractmethod
    def arms(self, experiment: Experiment) -> set[tuple[Any, ...]]:
        """Return a description of each arm, to be found among those of the paper."""

    def load(self, experiment: Experiment, seed: int, on_progress: Progress) -> DataSet:
        """Return the data of a seed.

        Raises:
            ExperimentError: the experiment does not fit the data.
        """
        return load_data(experiment.data, seed, on_progress)

    def service_limits(self, experiment: Experiment) -> Iterator[str]:
        """Yield the reasons of this kind why the service cannot run the experiment."""
        del experiment
        yield from ()


def trained(model: ModelConfig | None) -> tuple[str, str]:
    """Return a model's name and its recipe's hash, to compare arms by."""
    return ("none", "") if model is None else (model.model, model.recipe_hash)
