"""Projects of a service whose pool comes with its labels, and core-sets of them: found or made.

Their names say experiment, run and seed, so a run that was killed finds them again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import sleep
from typing import Any

import numpy as np

from app.domain.states import JobState, ProjectState
from models.catalog import find_model
from selection.arrays import IntArray
from svp_client import Client
from svp_client.types import CoreSet, Project
from workers.simulation.config import ModelConfig
from workers.simulation.data import DataSet
from workers.simulation.imports import import_part, project_name
from workers.simulation.oracle import OracleError

POLL_SECONDS = 0.3
GIVEN_UP = frozenset({JobState.FAILED, JobState.CANCELLED, JobState.SUPERSEDED})


@dataclass(frozen=True)
class LabeledProjects:
    """The projects of one seed of an experiment.

    Attributes:
        experiment: its name.
        model: that new projects name as proxy and target.
        run_id: tells this run from others of the same experiment in one service.
        measures_epochs: whether targets are measured after each epoch, too.
    """

    client: Client
    experiment: str
    data: DataSet
    model: ModelConfig
    seed: int
    run_id: str
    measures_epochs: bool = False

    def of_items(self, name: str, rows: IntArray) -> int:
        """Return the id of the project of these pool items with their labels."""
        full_name = project_name(self.experiment, name, self.seed, self.run_id)
        known = self.client.find_project(full_name)
        if known is None:
            known = self.client.create_project(
                name=full_name,
                modality=str(find_model(self.model.model).modality),
                classes=self.data.classes,
                proxy=self.model.choice,
                target=self.model.choice,
                strategy="uniform",
                reserve=0,
                seed=self.seed,
                initial_budget=1,
                round_budget=1,
                total_budget=1,
                measures_epochs=self.measures_epochs,
            )
        if known["state"] == ProjectState.DRAFT:
            self._import(known, rows)
        return int(known["id"])

    def of_whole_pool(self) -> int:
        """Return the id of the project of all pool items."""
        return self.of_items("pool", np.arange(len(self.data.pool)))

    def _import(self, project: Project, rows: IntArray) -> None:
        """Import the missing ones of these items with their labels, then of the evaluation split.

        A project starts only with an item to label, so the first evaluation item stands at the
        end of the pool once more, without its class; nobody labels it.
        """
        data, classes = self.data, self.data.classes
        if (project["n_pool"], project["n_evaluation"]) == (len(rows) + 1, len(data.evaluation)):
            return
        to, kept, more = project["id"], data.pool.take(rows), data.evaluation.take(np.arange(1))
        import_part(self.client, to, "pool", kept, classes, is_labeled=True)
        import_part(self.client, to, "evaluation", data.evaluation, classes, is_labeled=True)
        import_part(self.client, to, "pool", more, classes, is_labeled=False, called="more")


def make_core_set(
    client: Client,
    project: int,
    model: ModelConfig,
    on_poll: Callable[[CoreSet], None] = lambda _: None,
    **wanted: Any,
) -> CoreSet:
    """Return a project's core-set of these settings when it is ready; request it only once.

    Raises:
        OracleError: its job failed.
    """
    # The recipe with nothing left out: what is left out the service takes from the project's own
    # model of the same architecture.
    recipe = model.resolved.to_json()
    asked = {"model": model.model, "recipe": recipe, **wanted}
    same = (
        known
        for known in client.core_sets(project)
        if known["state"] not in GIVEN_UP and asked.items() <= known.items()
    )
    known = next(same, None) or client.create_core_set(project, **asked)
    while known["state"] != JobState.SUCCEEDED:
        if known["state"] in GIVEN_UP:
            raise OracleError(f"Core-set {known['id']}: {known['state']}: {known['error']}")
        on_poll(known)
        sleep(POLL_SECONDS)
        known = client.core_set(project, known["id"])
    return known
