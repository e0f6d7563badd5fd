"""Active learning as a kind of experiment: a unit is an arm."""

from collections import Counter
from pathlib import Path
from typing import Any

from workers.simulation.active_learning.config import ActiveLearningConfig
from workers.simulation.active_learning.lines import LineFile, RoundLine
from workers.simulation.active_learning.replay import RunContext, replay_arm
from workers.simulation.active_learning.through_api import ServiceRun
from workers.simulation.bars import Bar, Step
from workers.simulation.config import ExperimentError
from workers.simulation.context import SeedContext
from workers.simulation.data import DataSet, data_folder
from workers.simulation.download import Progress
from workers.simulation.kind import Kind, Service, trained
from workers.simulation.oracle import answer_key


class ActiveLearning(Kind[ActiveLearningConfig, RoundLine]):
    """Rounds of labeling; the arms differ in their selectors."""

    name = "active_learning"
    experiment_type = ActiveLearningConfig
    line_type = RoundLine
    report = "workers.reports.active_learning.report:active_learning_document"

    def units(self, experiment: ActiveLearningConfig) -> list[str]:
        return list(experiment.arms)

    def n_steps(self, experiment: ActiveLearningConfig, unit: str) -> int:
        del unit
        return experiment.budgets.total_budget

    def item_epochs(self, experiment: ActiveLearningConfig, unit: str, n_pool: int) -> Counter[str]:
        del n_pool
        models, points = experiment.models, experiment.budgets.points()
        work = Counter({"target": sum(points) * models["target"].resolved.epochs})
        selector = experiment.selector_of(unit)
        if selector is not None and selector != models["target"]:
            work[experiment.arms[unit].selector] += sum(points[:-1]) * selector.resolved.epochs
        return work

    def is_finished(
        self, experiment: ActiveLearningConfig, out: Path, unit: str, seed: int
    ) -> bool:
        """Whether the budget is spent.

        Where the pool ends before the budget it says no; running it finds nothing to do.
        """
        rounds = LineFile(out, unit, seed).read()
        return bool(rounds) and rounds[-1].n_labeled >= experiment.budgets.total_budget

    def load(self, experiment: ActiveLearningConfig, seed: int, on_progress: Progress) -> DataSet:
        data = super().load(experiment, seed, on_progress)
        n_pool = len(data.pool)
        for name in ("initial_budget", "total_budget"):
            budget = getattr(experiment.budgets, name)
            if budget > n_pool:
                raise ExperimentError(
                    f"budgets.{name} is {budget}, but the pool of {experiment.name} has {n_pool} "
                    f"items: make it at most {n_pool}, or data.n_pool larger."
                )
        return data

    def run(
        self,
        experiment: ActiveLearningConfig,
        unit: str,
        seed: SeedContext,
        bar: Bar,
        service: Service | None,
    ) -> None:
        data = seed.data
        key = answer_key(
            experiment.oracle,
            data.pool.labels,
            len(data.classes),
            seed.seed,
            data.pool_rows,
            data_folder(),
        )
        context = RunContext(experiment=experiment, arm=unit, key=key, **vars(seed))

        def show(line: RoundLine) -> None:
            bar.on_step(self.step(line))

        if service is None:
            replay_arm(context, show)
        else:
            ServiceRun(context, service.client, service.run_id).run(bar.on_project, show)

    def step(self, line: RoundLine) -> Step:
        error = line.target_error if line.target_error is not None else line.proxy_error
        return Step(f"round {line.number}", error, line.n_labeled)

    def frame(self, experiment: ActiveLearningConfig) -> dict[str, Any]:
        same = ("budgets", "labels_per_item", "selection", "oracle")
        return {
            "target": trained(experiment.models["target"]),
            **{name: getattr(experiment, name) for name in same},
        }

    def arms(self, experiment: ActiveLearningConfig) -> set[tuple[Any, ...]]:
        return {
            (experiment.strategy_of(arm), trained(experiment.selector_of(arm)))
            for arm in experiment.arms
        }
