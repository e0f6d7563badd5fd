"""Studies of models through the HTTP service.

The pool is a project of imported labels. A model with a seed is a core-set's job: its selection
model is measured after the epochs asked for, and what it keeps is the greedy k-centers order.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.recipe import recipe_from_json
from models.training.train import TrainProgress
from selection.arrays import Scores
from svp_client import Client
from svp_client.types import CoreSet, CoreSetScores
from workers.simulation.labeled_projects import LabeledProjects, make_core_set
from workers.simulation.model_studies.lines import StudyLine
from workers.simulation.model_studies.replay import StudyContext, places
from workers.simulation.oracle import OracleError

OF_ITEMS = frozenset({"index", "class_index"})  # what a file of scores holds beside scores


@dataclass(frozen=True)
class StudyServiceRun:
    """One model of a study with one seed as a job of a running service.

    Attributes:
        run_id: tells this run from others of the same experiment in one service.
    """

    context: StudyContext
    client: Client
    run_id: str

    def run(self, on_line: Callable[[StudyLine], None]) -> None:
        """Write the lines of the missing epochs; yield all of them.

        Raises:
            ExperimentError: the greedy order is longer than the pool.
            OracleError: the job failed.
        """
        context = self.context
        known = context.lines.read()
        for line in known:
            on_line(line)
        missing = set(context.experiment.recorded_of(context.model)) - {x.epoch for x in known}
        if not missing:
            return
        project = self._project()
        made = self._made(project)
        for measured in self.client.core_set_scores(project, made["id"]):
            if measured["epoch"] in missing:
                line = self._line(project, made, measured)
                context.lines.append(line)
                on_line(line)

    def _project(self) -> int:
        """Return the project of the pool, the same for all models and seeds."""
        experiment = self.context.experiment
        first = next(iter(experiment.models.values()))
        return LabeledProjects(
            self.client,
            experiment.name,
            self.context.data,
            first,
            experiment.data_seed,
            self.run_id,
        ).of_whole_pool()

    def _made(self, project: int) -> CoreSet:
        """Return the model's core-set: the greedy order, or one item where none is wanted.

        A core-set leaves at least one item out: the last one of an order of the whole pool.
        """
        context, experiment = self.context, self.context.experiment
        selection: dict[str, Any] = {"strategy": "entropy", "budget": 1}
        if context.n_ranked:
            selection = {
                "strategy": "k_centers",
                "budget": min(
                    experiment.initial_uniform + context.n_ranked, len(context.data.pool) - 1
                ),
                "initial_uniform": experiment.initial_uniform,
                "draw_seed": context.draw_seed,
            }
        return make_core_set(
            self.client,
            project,
            experiment.models[context.model],
            self._show_progress,
            seed=context.seed,
            score_epochs=experiment.recorded_of(context.model),
            **selection,
        )

    def _show_progress(self, core_set: CoreSet) -> None:
        if core_set["progress"]:
            self.context.on_progress(TrainProgress(**core_set["progress"]))

    def _line(self, project: int, made: CoreSet, measured: CoreSetScores) -> StudyLine:
        accuracy = measured["accuracy"]
        if accuracy is None:
            raise OracleError(f"Core-set {made['id']} was made without an evaluation split.")
        line = replace(
            self.context.line(measured["epoch"]),
            error=1 - accuracy,
            train_seconds=measured["train_seconds"],
            train_cpu_seconds=measured["train_cpu_seconds"],
            device=made["provenance"]["device"],
            recipe_hash=recipe_from_json(made["recipe"]).hash,
            via="service",
        )
        self.context.write_scores(line, self._scores(project, made["id"], line.epoch))
        return line

    def _scores(self, project: int, core_set: int, epoch: int) -> dict[str, Scores]:
        """Return the arrays that `results.read_scores` describes, by pool index."""
        content = self.client.core_set_scores_file(project, core_set, epoch)
        with np.load(io.BytesIO(content), allow_pickle=False) as kept:
            scores = {name: kept[name] for name in kept.files if name not in OF_ITEMS}
        if self.context.ranks_at(epoch):
            scores["k_centers_rank"] = self._places(project, core_set)
        return scores

    def _places(self, project: int, core_set: int) -> Scores:
        """Return `places` of the core-set's order; where all items are first centres, of none."""
        n, first = len(self.context.data.pool), self.context.experiment.initial_uniform
        order = np.arange(n)
        if self.context.n_ranked:
            items = self.client.core_set_items(project, core_set)
            order = np.asarray([item["index"] for item in items], np.int64)
        return places(n, order[:first], order[first:])
