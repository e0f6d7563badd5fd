"""Every kind of experiment keeps the protocol of kinds."""

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from tests.experiments import run_any, tiny, tiny_core_sets, tiny_study
from workers.reports.report import document_of
from workers.simulation.bars import Bars
from workers.simulation.config import ExperimentConfig, ExperimentError
from workers.simulation.context import Shared
from workers.simulation.kinds import KINDS, kind_of
from workers.simulation.load import load_experiment
from workers.simulation.paper_scale import is_paper_scale
from workers.simulation.results import read_lines_of
from workers.simulation.run import Place, run_unit
from workers.simulation.service_limits import refuse_beyond_service

TINY: dict[str, Callable[..., ExperimentConfig]] = {
    "active_learning": tiny,
    "core_set": tiny_core_sets,
    "model_study": tiny_study,
}
OF_THE_PAPER = {
    "active_learning": ("cifar10-least-confidence", "models.target.recipe={name='fast'}"),
    "core_set": ("cifar10-core-sets", "fractions=[0.3, 0.6]"),
    "model_study": ("cifar10-correlations", "initial_uniform=100"),
}


def test_each_kind_is_tested_here() -> None:
    assert set(TINY) == set(OF_THE_PAPER) == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
class TestKind:
    def test_its_units_run_to_their_end_and_are_reported(self, tmp_path: Path, name: str) -> None:
        experiment = TINY[name](tmp_path, "seeds=[3]")
        kind, out = kind_of(experiment), tmp_path / "out"
        units = kind.units(experiment)
        assert not any(kind.is_finished(experiment, out, unit, 3) for unit in units)
        run_any(experiment, out)
        assert all(kind.is_finished(experiment, out, unit, 3) for unit in units)
        document = document_of([out])
        assert document.title == experiment.title
        assert document.gaps == []

    def test_its_lines_bring_bars_to_their_end(self, tmp_path: Path, name: str) -> None:
        experiment = TINY[name](tmp_path, "seeds=[3]")
        kind, out = kind_of(experiment), tmp_path / "out"
        run_any(experiment, out)
        assert read_lines_of(kind.line_type, out)
        with Bars.shown(None, Console(quiet=True)) as bars:
            for unit in kind.units(experiment):
                bar = bars.add(unit, 3, kind.n_steps(experiment, unit))
                data = kind.load(experiment, 3, bars.on_download)
                run_unit(experiment, unit, 3, data, Place(out), Shared(), bar)  # finds its lines
                task = bars.progress.tasks[bar.task]
                assert task.completed == task.total
                assert task.fields["accuracy"].startswith("accuracy 0.")

    def test_it_counts_the_training_of_each_unit(self, tmp_path: Path, name: str) -> None:
        experiment = TINY[name](tmp_path)
        kind = kind_of(experiment)
        for unit in kind.units(experiment):
            work = kind.item_epochs(experiment, unit, 60)
            assert set(work) <= set(experiment.models)
            assert sum(work.values()) > 0

    def test_only_its_bundled_settings_are_the_papers(self, name: str) -> None:
        bundled, change = OF_THE_PAPER[name]
        assert is_paper_scale(load_experiment(bundled), ["cifar10"])
        assert not is_paper_scale(load_experiment(bundled, [change]), ["cifar10"])

    def test_the_service_refuses_only_what_it_cannot_do(self, tmp_path: Path, name: str) -> None:
        refuse_beyond_service(TINY[name](tmp_path))
        with pytest.raises(ExperimentError, match=r"traps\.scoring"):
            refuse_beyond_service(TINY[name](tmp_path, "traps.scoring=augmented"))

    def test_a_file_must_name_it(self, tmp_path: Path, name: str) -> None:
        TINY[name](tmp_path)
        path = next(tmp_path.glob("*.toml"))
        path.write_text(path.read_text().replace(f'kind = "{name}"\n', ""))
        with pytest.raises(ExperimentError, match="kind must be one of active_learning, core_set"):
            load_experiment(str(path))
