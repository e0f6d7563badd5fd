"""Core-sets as a kind of experiment: a unit is the arms that one selector serves."""

from collections import Counter
from pathlib import Path
from typing import Any

from workers.simulation.bars import Bar, Step
from workers.simulation.context import SeedContext
from workers.simulation.core_sets.config import ALL, CoreSetConfig, arms_of, fractions_of
from workers.simulation.core_sets.lines import CoreSetLine
from workers.simulation.core_sets.replay import CoreSetContext, replay_core_sets
from workers.simulation.core_sets.through_api import CoreSetServiceRun
from workers.simulation.kind import Kind, Service, trained
from workers.simulation.results import LinesOf


class CoreSets(Kind[CoreSetConfig, CoreSetLine]):
    """Core-sets: parts of a labeled pool on which the target is trained."""

    name = "core_set"
    experiment_type = CoreSetConfig
    line_type = CoreSetLine
    report = "workers.reports.core_sets.report:core_set_document"

    def units(self, experiment: CoreSetConfig) -> list[str]:
        selectors = dict.fromkeys(experiment.selector_of(arm) for arm in experiment.arms)
        return [name for name in selectors if name is not None] + [ALL]

    def n_steps(self, experiment: CoreSetConfig, unit: str) -> int:
        return sum(len(fractions_of(experiment, arm)) for arm in arms_of(experiment, unit))

    def item_epochs(self, experiment: CoreSetConfig, unit: str, n_pool: int) -> Counter[str]:
        models = experiment.models
        kept = sum(sum(fractions_of(experiment, arm)) for arm in arms_of(experiment, unit))
        work = Counter({"target": round(n_pool * kept) * models["target"].resolved.epochs})
        if unit != ALL:
            work[unit] += n_pool * models[unit].resolved.epochs
        return work

    def is_finished(self, experiment: CoreSetConfig, out: Path, unit: str, seed: int) -> bool:
        return all(
            {line.fraction for line in LinesOf(CoreSetLine, out, arm, seed).read()}
            == set(fractions_of(experiment, arm))
            for arm in arms_of(experiment, unit)
        )

    def run(
        self,
        experiment: CoreSetConfig,
        unit: str,
        seed: SeedContext,
        bar: Bar,
        service: Service | None,
    ) -> None:
        context = CoreSetContext(experiment=experiment, **vars(seed))

        def show(line: CoreSetLine) -> None:
            bar.on_step(self.step(line))

        if service is None:
            replay_core_sets(context, unit, show)
        else:
            CoreSetServiceRun(context, service.client, service.run_id).run(unit, show)

    def step(self, line: CoreSetLine) -> Step:
        return Step(f"{line.arm} {line.fraction:.0%}", line.target_error)

    def frame(self, experiment: CoreSetConfig) -> dict[str, Any]:
        return {
            "target": trained(experiment.models["target"]),
            "fractions": experiment.fractions,
        }

    def arms(self, experiment: CoreSetConfig) -> set[tuple[Any, ...]]:
        models = experiment.models
        return {
            (
                settings.strategy,
                settings.class_balance,
                settings.initial_uniform,
                trained(models.get(experiment.selector_of(arm) or "")),
            )
            for arm, settings in experiment.arms.items()
        }
