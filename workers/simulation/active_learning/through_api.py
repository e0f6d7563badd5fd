"""An experiment's arm through the real HTTP service: create, import, label, read the results.

The project's name says experiment, arm and seed, so a killed run finds its project again and
resumes; importing and labeling twice change nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from app.domain.states import ProjectState
from models.catalog import find_model
from svp_client import Client
from svp_client.types import Model, Project
from workers.simulation.active_learning.lines import RoundLine
from workers.simulation.active_learning.rare import count_rare
from workers.simulation.active_learning.replay import RunContext
from workers.simulation.context import best_error
from workers.simulation.imports import import_part, item_id, project_name
from workers.simulation.oracle import Oracle

MOST_PEOPLE = 10_000  # who leaves is followed by another


@dataclass(frozen=True)
class ServiceRun:
    """One arm and seed as a project of a running service.

    Attributes:
        run_id: tells this run from others of the same experiment in one service.
    """

    context: RunContext
    client: Client
    run_id: str

    def run(
        self,
        on_change: Callable[[Project], None],
        on_line: Callable[[RoundLine], None],
    ) -> list[RoundLine]:
        """Bring the project to its end, measure what is not on the disk yet; return all lines."""
        project = self._project()
        if project["state"] == ProjectState.DRAFT:
            data, project_id = self.context.data, project["id"]
            import_part(self.client, project_id, "pool", data.pool, data.classes, is_labeled=False)
            import_part(
                self.client, project_id, "evaluation", data.evaluation, data.classes,
                is_labeled=True,
            )  # fmt: skip
            self.client.start(project["id"])
        pool = self.context.data.pool
        oracle = Oracle(
            client=self._labeling_client(project["id"]),
            config=self.context.experiment.oracle,
            key=self.context.key,
            index_of={item_id("pool", i, pool): i for i in range(len(pool))},
            classes=self.context.data.classes,
        )

        def follow(project: Project) -> None:
            self._keep_to_budgets(project)
            on_change(project)

        self._keep_to_budgets(self.client.project(project["id"]))  # a killed run resumes here
        oracle.label_until_finished(project["id"], follow)
        lines = self.context.lines.read()
        for line in lines:
            on_line(line)
        for line in self._measured_lines(project["id"], skip=len(lines)):
            self.context.lines.append(line)
            lines.append(line)
            on_line(line)
        return lines

    def _keep_to_budgets(self, project: Project) -> None:
        """Give rounds 2 and later their budget, once round 1 was created with its own.

        It is called after each batch of labels, while the next round still trains.
        """
        budget, round_ = self.context.experiment.budgets.round_budget, project["round"]
        is_late = round_ is not None and round_["number"] >= 1
        if (
            is_late
            and project["state"] == ProjectState.RUNNING
            and project["round_budget"] != budget
        ):
            self.client.change_project(project["id"], round_budget=budget)

    def _labeling_client(self, project: int) -> Client:
        """Return the client itself, or one that may act as several annotators."""
        oracle = self.context.experiment.oracle
        if oracle.annotators == 1 and not oracle.abandonment:
            return self.client
        token = self.client.create_token(
            "oracle", "admin", project=project, act_as=True, max_annotators=MOST_PEOPLE
        )
        return self.client.with_token(token)

    def _project(self) -> Project:
        context, experiment = self.context, self.context.experiment
        name = project_name(experiment.name, context.arm, context.seed, self.run_id)
        known = self.client.find_project(name)
        if known is not None:
            return known
        models = experiment.models
        selector, target = models[experiment.arms[context.arm].selector], models["target"]
        return self.client.create_project(
            name=name,
            modality=str(find_model(target.model).modality),
            classes=context.data.classes,
            proxy=selector.choice,
            target=target.choice,
            strategy=experiment.strategy_of(context.arm),
            selection=experiment.selection,
            reserve=0,
            labels_per_item=experiment.labels_per_item,
            seed=context.seed,
            initial_budget=experiment.budgets.initial_budget,
            round_budget=experiment.budgets.of_round(1),
            total_budget=experiment.budgets.total_budget,
            measures_epochs=experiment.traps.report_best_epoch,
        )

    def _measured_lines(self, project: int, skip: int) -> Iterator[RoundLine]:
        """Yield the lines of the project's completed rounds after the first `skip`."""
        models = {model["id"]: model for model in self.client.models(project)}
        target = next(m for m in models.values() if m["role"] == "target")
        labeled = np.empty(0, np.int64)
        rounds = [r for r in self.client.rounds(project) if r["state"] == "completed"]
        for round_ in rounds:
            indices = [
                item["index"]
                for item in self.client.selected(project, round_["number"])
                if item["source"] == "batch" and item["state"] == "labeled"
            ]
            line = self.context.line(round_["number"], indices, len(labeled))
            labeled = np.concatenate([labeled, np.asarray(indices, np.int64)])
            if round_["number"] < skip:
                continue
            line = replace(
                line,
                strategy=round_["strategy"],
                seconds=round_["seconds"],
                cpu_seconds=round_["cpu_seconds"],
                via="service",
                n_rare=count_rare(self.context.data.pool.labels[labeled], self.context.data.rare),
            )
            model = models.get(round_["model_id"] or 0)
            if model is not None:
                line = replace(
                    line,
                    selector=model["name"],
                    recipe_hash=model["recipe_hash"],
                    recipe_name=model["provenance"].get("recipe_name"),
                    proxy_error=1 - model["metrics"]["accuracy"],
                    proxy_error_best=best_error(model["metrics"].get("accuracy_by_epoch")),
                    device=model["provenance"]["device"],
                    proxy_rare_recall=self._rare_recall(project, model["id"]),
                )
            yield self._with_target(project, line, labeled, target)

    def _with_target(
        self, project: int, line: RoundLine, labeled: npt.NDArray[np.int64], target: Model
    ) -> RoundLine:
        """Return the line with the target's error: the delivered one, or one trained for it."""
        if line.n_labeled == target["n_labeled"]:
            return replace(
                line,
                target_error=1 - target["metrics"]["accuracy"],
                target_error_best=best_error(target["metrics"].get("accuracy_by_epoch")),
                target_seconds=target["seconds"]["training"],
                target_cpu_seconds=target["cpu_seconds"]["training"],
                target_recipe_hash=target["recipe_hash"],
                target_rare_recall=self._rare_recall(project, target["id"]),
            )
        if self.context.target_selects:
            return line
        return self.context.with_target(line, labeled)

    def _rare_recall(self, project: int, model: int) -> float | None:
        """Return a model's recall averaged over the rare classes, by the service's measurement."""
        data = self.context.data
        rare = {data.classes[index] for index in data.rare}
        split = self.client.model_metrics(project, model)["evaluation"] if rare else None
        found = (
            [] if split is None else [c["recall"] for c in split["classes"] if c["class"] in rare]
        )
        values = [recall["value"] for recall in found if recall is not None]
        return float(np.mean(values)) if values else None
