"""Core-set experiments through the HTTP service.

The pool is a project of imported labels; each core-set is a job of it. The target of a core-set is
that of a project whose imported labels are the kept items'.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import sleep
from typing import Any

import numpy as np
import numpy.typing as npt

from app.client import Client
from app.domain.states import JobState, ProjectState
from models.catalog import find_model
from workers.simulation.config import ExperimentError, TrapsConfig
from workers.simulation.core_sets import CoreSetContext, arms_of, fractions_of
from workers.simulation.kinds import ALL
from workers.simulation.oracle import OracleError
from workers.simulation.results import CoresetLine, LinesOf
from workers.simulation.through_api import import_part, project_name

IntArray = npt.NDArray[np.int64]
POLL_SECONDS = 0.3


@dataclass(frozen=True)
class CoreSetServiceRun:
    """The core-sets of one unit and seed as jobs of a running service.

    Attributes:
        run_id: tells this run from others of the same experiment in one service.
    """

    context: CoreSetContext
    client: Client
    run_id: str

    def run(self, unit: str, on_line: Callable[[CoresetLine], None]) -> None:
        """Write the lines of a unit's arms that are not on the disk yet; give out all of them.

        Raises:
            ExperimentError: the experiment asks for what the service does not do.
            OracleError: a job failed.
        """
        if self.context.experiment.traps != TrapsConfig():
            raise ExperimentError("The service has none of the published traps; leave traps out.")
        for arm in arms_of(self.context.experiment, unit):
            file = LinesOf(CoresetLine, self.context.folder, arm, self.context.seed)
            known = {line.fraction: line for line in file.read()}
            for fraction in fractions_of(self.context.experiment, arm):
                line = known.get(fraction)
                if line is None:
                    line = self._line(arm, fraction)
                    file.append(line)
                on_line(line)

    def _line(self, arm: str, fraction: float) -> CoresetLine:
        everything = np.arange(len(self.context.data.pool))
        line = self.context.line(arm, fraction, everything.tolist())
        if arm != ALL:
            line = self._chosen(arm, fraction)
        name = f"{arm}-{fraction}"
        target = self._finished_target(self._project(name, np.sort(line.indices)))
        return replace(
            line,
            target_error=1 - target["metrics"]["accuracy"],
            target_seconds=target["seconds"]["training"],
            device=target["provenance"]["device"],
            via="service",
        )

    def _chosen(self, arm: str, fraction: float) -> CoresetLine:
        """Return the line of what the service keeps, without the target."""
        experiment, request = self.context.experiment, self.context.request(arm, fraction)
        pool = self._project("pool", np.arange(len(self.context.data.pool)))
        selector = experiment.models[experiment.arms[arm].selector]
        asked = self.client.create_coreset(
            pool,
            strategy=request.strategy,
            budget=request.budget,
            class_balance=request.class_balance,
            initial_uniform=request.initial_uniform,
            model=selector.model,
            recipe=selector.recipe,
            seed=self.context.seed,
        )
        made = self._made(pool, asked["id"])
        items = sorted(self.client.coreset_items(pool, made["id"]), key=lambda i: i["rank"])
        line = self.context.line(arm, fraction, [item["index"] for item in items])
        accuracy = made["provenance"].get("accuracy")
        error = None if accuracy is None else 1 - accuracy
        return replace(line, seconds=made["seconds"], selector_error=error)

    def _project(self, name: str, rows: IntArray) -> int:
        """Return the id of the project of these pool items with their labels."""
        context, models = self.context, self.context.experiment.models
        full_name = project_name(context.experiment.name, name, context.seed, self.run_id)
        known = self.client.find_project(full_name)
        if known is None:
            target = models["target"]
            known = self.client.create_project(
                name=full_name,
                modality=find_model(target.model).modality,
                classes=context.data.classes,
                proxy=target.model_dump(),
                target=target.model_dump(),
                strategy="uniform",
                reserve=0,
                seed=context.seed,
                initial_budget=1,
                round_budget=1,
                total_budget=1,
            )
        if known["state"] == ProjectState.DRAFT:
            self._import(known, rows)
        return int(known["id"])

    def _import(self, project: dict[str, Any], rows: IntArray) -> None:
        """Import what a project lacks: these items with their labels, then the evaluation split.

        A project starts only with an item to label, so the first evaluation item stands at the
        end of the pool once more, without its class; nobody labels it.
        """
        data, classes = self.context.data, self.context.data.classes
        if (project["n_pool"], project["n_evaluation"]) == (len(rows) + 1, len(data.evaluation)):
            return
        to, kept, more = project["id"], data.pool.take(rows), data.evaluation.take(np.arange(1))
        import_part(self.client, to, "pool", kept, classes, is_labeled=True)
        import_part(self.client, to, "evaluation", data.evaluation, classes, is_labeled=True)
        import_part(self.client, to, "pool", more, classes, is_labeled=False, called="more")

    def _made(self, project: int, coreset: int) -> dict[str, Any]:
        """Wait until a core-set is made, and return it."""
        while True:
            found = self.client.coreset(project, coreset)
            if found["state"] == JobState.SUCCEEDED:
                return found
            if found["state"] not in (JobState.QUEUED, JobState.RUNNING):
                raise OracleError(f"Core-set {coreset}: {found['state']}: {found['error']}")
            sleep(POLL_SECONDS)

    def _finished_target(self, project: int) -> dict[str, Any]:
        """Let a project train its target on its labels; return the target."""
        if self.client.project(project)["state"] == ProjectState.DRAFT:
            self.client.start(project)
        if self.client.project(project)["state"] == ProjectState.RUNNING:
            self.client.request("POST", f"/projects/{project}/finish")
        while self.client.project(project)["state"] != ProjectState.FINISHED:
            failed = [j for j in self.client.jobs(project) if j["state"] == JobState.FAILED]
            if failed:
                raise OracleError(f"Job {failed[0]['id']} failed: {failed[0]['error']}")
            sleep(POLL_SECONDS)
        return next(m for m in self.client.models(project) if m["role"] == "target")
