"""Model studies as a kind of experiment: a unit is a model."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.schemas.core_sets import MAX_SCORE_EPOCHS
from workers.simulation.bars import Bar, Step
from workers.simulation.context import SeedContext
from workers.simulation.data import DataSet
from workers.simulation.download import Progress
from workers.simulation.kind import Kind, Service, trained
from workers.simulation.model_studies.config import ModelStudyConfig
from workers.simulation.model_studies.lines import StudyLine
from workers.simulation.model_studies.replay import StudyContext, replay_study
from workers.simulation.model_studies.through_api import StudyServiceRun
from workers.simulation.results import LinesOf


class ModelStudies(Kind[ModelStudyConfig, StudyLine]):
    """Models trained on the whole pool: their errors, and how alike they order items."""

    name = "model_study"
    experiment_type = ModelStudyConfig
    line_type = StudyLine
    report = "workers.reports.model_studies.report:study_document"

    def units(self, experiment: ModelStudyConfig) -> list[str]:
        return list(experiment.models)

    def n_steps(self, experiment: ModelStudyConfig, unit: str) -> int:
        return experiment.epochs_of(unit)

    def item_epochs(self, experiment: ModelStudyConfig, unit: str, n_pool: int) -> Counter[str]:
        return Counter({unit: n_pool * experiment.epochs_of(unit)})

    def is_finished(self, experiment: ModelStudyConfig, out: Path, unit: str, seed: int) -> bool:
        lines = LinesOf(StudyLine, out, unit, seed).read()
        return {line.epoch for line in lines} == set(experiment.recorded_of(unit))

    def load(self, experiment: ModelStudyConfig, seed: int, on_progress: Progress) -> DataSet:
        """Return the data, the same for all seeds."""
        del seed
        return super().load(experiment, experiment.data_seed, on_progress)

    def run(
        self,
        experiment: ModelStudyConfig,
        unit: str,
        seed: SeedContext,
        bar: Bar,
        service: Service | None,
    ) -> None:
        context = StudyContext(experiment=experiment, model=unit, **vars(seed))

        def show(line: StudyLine) -> None:
            bar.on_step(self.step(line))

        if service is None:
            replay_study(context, show)
        else:
            StudyServiceRun(context, service.client, service.run_id).run(show)

    def step(self, line: StudyLine) -> Step:
        return Step(f"epoch {line.epoch}", line.error, line.epoch)

    def frame(self, experiment: ModelStudyConfig) -> dict[str, Any]:
        return {"trains": experiment.trains, "initial": experiment.initial_uniform}

    def arms(self, experiment: ModelStudyConfig) -> set[tuple[Any, ...]]:
        return {trained(model) for model in experiment.models.values()}

    def service_limits(self, experiment: ModelStudyConfig) -> Iterator[str]:
        if not experiment.trains:
            yield "trains=false: the service measures only models that it trained"
        for name in experiment.models:
            if len(experiment.recorded_of(name)) > MAX_SCORE_EPOCHS:
                yield (
                    f"models.{name}: the service keeps scores of {MAX_SCORE_EPOCHS} epochs at most"
                )
