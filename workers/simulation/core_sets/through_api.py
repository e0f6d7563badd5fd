"""Core-set experiments through the HTTP service.

The pool is a project of imported labels; each core-set is a job of it. The target of a core-set is
that of a project whose imported labels are the kept items'.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import sleep

import numpy as np

from app.domain.states import JobState, ProjectState
from svp_client import Client
from svp_client.types import Model
from workers.simulation.context import best_error
from workers.simulation.core_sets.config import ALL, arms_of, fractions_of
from workers.simulation.core_sets.lines import CoreSetLine
from workers.simulation.core_sets.replay import CoreSetContext
from workers.simulation.labeled_projects import POLL_SECONDS, LabeledProjects, make_core_set
from workers.simulation.oracle import OracleError
from workers.simulation.results import LinesOf


@dataclass(frozen=True)
class CoreSetServiceRun:
    """The core-sets of one unit and seed as jobs of a running service.

    Attributes:
        run_id: tells this run from others of the same experiment in one service.
    """

    context: CoreSetContext
    client: Client
    run_id: str

    def run(self, unit: str, on_line: Callable[[CoreSetLine], None]) -> None:
        """Write the missing lines of a unit's arms; yield all of them.

        Raises:
            ExperimentError: a core-set would be nothing, or everything.
            OracleError: a job failed.
        """
        for arm in arms_of(self.context.experiment, unit):
            file = LinesOf(CoreSetLine, self.context.folder, arm, self.context.seed)
            known = {line.fraction: line for line in file.read()}
            for fraction in fractions_of(self.context.experiment, arm):
                line = known.get(fraction)
                if line is None:
                    line = self._line(arm, fraction)
                    file.append(line)
                on_line(line)

    def _line(self, arm: str, fraction: float) -> CoreSetLine:
        everything = np.arange(len(self.context.data.pool))
        line = self.context.line(arm, fraction, everything.tolist())
        if arm != ALL:
            line = self._chosen(arm, fraction)
        name = f"{arm}-{fraction}"
        target = self._finished_target(self._projects.of_items(name, np.sort(line.indices)))
        return replace(
            line,
            target_error=1 - target["metrics"]["accuracy"],
            target_error_best=best_error(target["metrics"].get("accuracy_by_epoch")),
            target_seconds=target["seconds"]["training"],
            target_cpu_seconds=target["cpu_seconds"]["training"],
            device=target["provenance"]["device"],
            via="service",
        )

    def _chosen(self, arm: str, fraction: float) -> CoreSetLine:
        """Return the line of the service's core-set, without the target."""
        experiment, request = self.context.experiment, self.context.request(arm, fraction)
        pool = self._projects.of_whole_pool()
        made = make_core_set(
            self.client,
            pool,
            experiment.models[experiment.arms[arm].selector],
            strategy=request.strategy,
            budget=request.budget,
            class_balance=request.class_balance,
            initial_uniform=request.initial_uniform,
            seed=self.context.seed,
        )
        items = sorted(self.client.core_set_items(pool, made["id"]), key=lambda i: i["rank"])
        line = self.context.line(arm, fraction, [item["index"] for item in items])
        accuracy = made["provenance"].get("accuracy")
        error = None if accuracy is None else 1 - accuracy
        return replace(
            line,
            seconds=made["seconds"],
            cpu_seconds=made["cpu_seconds"],
            selector_error=error,
        )

    @property
    def _projects(self) -> LabeledProjects:
        context = self.context
        return LabeledProjects(
            self.client,
            context.experiment.name,
            context.data,
            context.experiment.models["target"],
            context.seed,
            self.run_id,
            measures_epochs=context.experiment.traps.report_best_epoch,
        )

    def _finished_target(self, project: int) -> Model:
        """Let a project train its target on its labels; return the target."""
        if self.client.project(project)["state"] == ProjectState.DRAFT:
            self.client.start(project)
        if self.client.project(project)["state"] == ProjectState.RUNNING:
            self.client.finish(project)
        while self.client.project(project)["state"] != ProjectState.FINISHED:
            failed = [
                j
                for j in self.client.jobs(project)
                if j["state"] == JobState.FAILED and j["kind"] != "pack"
            ]
            if failed:
                raise OracleError(f"Job {failed[0]['id']} failed: {failed[0]['error']}")
            sleep(POLL_SECONDS)
        return next(m for m in self.client.models(project) if m["role"] == "target")
