"""Sweeps: what they plan, and that runs side by side write what runs in turn write."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import joblib
import pytest

from tests.experiments import run_any, tiny, tiny_core_sets, tiny_study, write_tiny
from tests.support import wait_for
from tests.workers.simulation.core_sets import test_replay as test_core_sets
from tests.workers.simulation.model_studies import test_replay as test_studies
from workers.simulation.active_learning.config import ActiveLearningConfig
from workers.simulation.active_learning.lines import LineFile, read_lines
from workers.simulation.config import ExperimentConfig, ExperimentError
from workers.simulation.core_sets.lines import CoreSetLine
from workers.simulation.results import read_lines_of
from workers.simulation.run import claim_folder
from workers.simulation.sweep import Run, Slot, planned_runs, planned_tasks, run_tasks, slots_of

TWO = [Slot("cpu", 1, 1), Slot("cpu", 1, 1)]


def own_seeds(experiment: ExperimentConfig) -> list[int]:
    return experiment.seeds


def sweep(*runs: Run) -> list[str]:
    """Run what is missing, two at a time; return the names of what failed."""
    for run in runs:
        claim_folder(run.experiment, run.out)
    return [task.name for task in run_tasks(planned_tasks(runs, own_seeds), TWO, lambda _: None)]


class TestPlan:
    def test_every_point_of_the_grid_has_a_folder_of_its_own(self, tmp_path: Path) -> None:
        path = str(write_tiny(tmp_path))
        grid = ["models.proxy.model=preact8,preact14", "strategy=entropy,margin"]
        runs = planned_runs([path], ["data.n_pool=70"], grid, tmp_path / "out")
        assert [run.out.name for run in runs] == [
            "models.proxy.model=preact8,strategy=entropy",
            "models.proxy.model=preact8,strategy=margin",
            "models.proxy.model=preact14,strategy=entropy",
            "models.proxy.model=preact14,strategy=margin",
        ]
        first = runs[1].experiment
        assert isinstance(first, ActiveLearningConfig)
        assert (first.models["proxy"].model, first.strategy) == ("preact8", "margin")
        assert {run.experiment.data.n_pool for run in runs} == {70}
        assert len({run.experiment.hash for run in runs}) == 4

    def test_grid_values_may_be_toml(self, tmp_path: Path) -> None:
        path = str(write_tiny(tmp_path))
        runs = planned_runs([path], [], ["models.proxy.recipe={epochs = 1},{epochs = 5}"], None)
        assert [run.experiment.models["proxy"].resolved.epochs for run in runs] == [1, 5]

    def test_several_experiments_lie_below_one_folder(self, tmp_path: Path) -> None:
        names = ["digits", str(write_tiny(tmp_path))]
        assert [run.out for run in planned_runs(names, [], [], tmp_path / "out")] == [
            tmp_path / "out" / "digits",
            tmp_path / "out" / "tiny",
        ]
        assert planned_runs(["digits"], [], [], tmp_path / "out")[0].out == tmp_path / "out"

    @pytest.mark.parametrize(
        ("names", "grid", "sentence"),
        [
            (["digits", "digits"], [], "have the same name"),
            (["digits"], ["strategy"], "--grid needs key=value,value"),
            (["digits"], ["strategy=guess,entropy"], "There is no strategy 'guess'"),
        ],
    )
    def test_what_does_not_fit_is_explained(
        self, names: list[str], grid: list[str], sentence: str
    ) -> None:
        with pytest.raises(ExperimentError, match=sentence):
            planned_runs(names, [], grid, None)

    def test_devices_have_a_slot_each_and_jobs_share_them(self) -> None:
        share = max(1, joblib.cpu_count() // 2)
        assert slots_of(["cuda:0", "cpu"], 1, 3) == [
            Slot("cuda:0", 3, share),
            Slot("cpu", 3, share),
        ]
        assert [slot.device for slot in slots_of(["cuda:0", "cuda:1"], 4, 1)] == [
            *["cuda:0", "cuda:1"] * 2
        ]
        assert slots_of(["cpu"], 1, 0) == [Slot("cpu", 0, joblib.cpu_count())]  # the work decides

    def test_only_what_is_missing_is_planned_early_seeds_first(self, tmp_path: Path) -> None:
        experiment = tiny(tmp_path, "seeds=[3, 4]")
        run = Run(experiment, tmp_path / "out")
        assert [(t.seed, t.unit) for t in planned_tasks([run], own_seeds)] == [
            (seed, unit) for seed in (3, 4) for unit in ("proxy", "target", "uniform")
        ]
        run_any(tiny(tmp_path, "seeds=[3]"), tmp_path / "out")
        assert {t.seed for t in planned_tasks([run], own_seeds)} == {4}


@pytest.mark.slow
@pytest.mark.timeout(600)
class TestSideBySide:
    def test_lines_are_those_of_runs_in_turn(self, tmp_path: Path) -> None:
        rounds = Run(tiny(tmp_path), tmp_path / "rounds")
        sets = Run(tiny_core_sets(tmp_path), tmp_path / "sets")
        study = Run(tiny_study(tmp_path, "seeds=[3]"), tmp_path / "study")
        for run in (rounds, sets, study):
            run_any(run.experiment, tmp_path / "turn" / run.out.name)
        assert sweep(rounds, sets, study) == []
        turn = tmp_path / "turn"
        assert test_studies.found(study.out) == test_studies.found(turn / "study")
        assert test_core_sets.found(read_lines_of(CoreSetLine, sets.out)) == test_core_sets.found(
            read_lines_of(CoreSetLine, turn / "sets")
        )
        assert errors(rounds.out) == errors(turn / "rounds")
        assert planned_tasks([rounds, sets, study], own_seeds) == []

    @pytest.mark.nightly
    def test_a_run_that_fails_stops_no_other_and_says_why(self, tmp_path: Path) -> None:
        small = Run(tiny_core_sets(tmp_path, "arms.k_centers.initial_uniform=20"), tmp_path / "bad")
        good = Run(tiny_study(tmp_path, "seeds=[3]"), tmp_path / "good")
        assert sweep(small, good) == ["bad target seed 3"]
        log = (tmp_path / "bad" / "logs" / "target-seed3.log").read_text()
        assert "change fractions, data.n_pool or arms.k_centers.initial_uniform" in log
        assert planned_tasks([good], own_seeds) == []

    def test_an_interrupted_sweep_leaves_no_process_and_goes_on(self, tmp_path: Path) -> None:
        more = ["models.proxy.recipe.epochs=20"]
        command = [
            *[sys.executable, "-m", "workers.cli.main", "simulate", str(write_tiny(tmp_path))],
            *[part for setting in more for part in ("--set", setting)],
            *["--out", str(tmp_path / "out"), "--jobs", "2", "--threads", "1"],
        ]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SVP_")}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        wait_for(LineFile(tmp_path / "out", "proxy", 3).path.exists, 400)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) != 0
        assert processes_of(tmp_path / "out") == []
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        run_any(tiny(tmp_path, *more), tmp_path / "turn")
        assert errors(tmp_path / "out") == errors(tmp_path / "turn")


def errors(out: Path) -> dict[tuple[str, int], list[tuple[object, ...]]]:
    return {
        key: [(line.indices, line.proxy_error, line.target_error) for line in lines]
        for key, lines in read_lines(out).items()
    }


def processes_of(folder: Path) -> list[int]:
    """Return the processes whose command names the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        if str(folder).encode() in command:
            found.append(int(path.parent.name))
    return found
