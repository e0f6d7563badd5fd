"""Experiments in process: lines, resuming, configuration, and what the report makes of them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.catalog import ModelSetup
from models.data.arrays import Images
from models.data.readers import read_digits
from models.training.train import train
from selection.select import Pool, SelectionRequest, select
from tests.experiments import Lines, indices, run, run_any, tiny, tiny_study, write_tiny
from tests.support import wait_for
from workers.simulation import warm_up
from workers.simulation.active_learning.config import ActiveLearningConfig
from workers.simulation.active_learning.lines import LineFile, read_lines, summarize
from workers.simulation.archive import opened
from workers.simulation.config import ExperimentError
from workers.simulation.load import bundled, load_experiment, read_experiment
from workers.steps import round as round_step
from workers.steps import training

ROOT = Path(__file__).parents[4]


def replace_budget(experiment: ActiveLearningConfig, total_budget: int) -> ActiveLearningConfig:
    budgets = experiment.budgets.model_copy(update={"total_budget": total_budget})
    return experiment.model_copy(update={"budgets": budgets})


class TestReplay:
    def test_rounds_spend_the_budget_and_never_select_an_item_twice(self, tmp_path: Path) -> None:
        lines = run(tiny(tmp_path), tmp_path / "out")
        assert set(lines) == {("proxy", 3), ("target", 3), ("uniform", 3)}
        for rounds in lines.values():
            assert [len(line.indices) for line in rounds] == [12, 6, 6]
            assert [line.n_labeled for line in rounds] == [12, 18, 24]
            chosen = [i for line in rounds for i in line.indices]
            assert len(set(chosen)) == 24
            assert max(chosen) < 60
        assert [line.strategy for line in lines["proxy", 3]] == [
            "uniform",
            "least_confidence",
            "least_confidence",
        ]

    def test_auto_chooses_recipe_and_strategy_and_the_lines_name_them(self, tmp_path: Path) -> None:
        experiment = tiny(
            tmp_path, "strategy=auto", "models.proxy.recipe={name = 'auto', epochs = 1}"
        )
        lines = run(experiment, tmp_path / "out")["proxy", 3]
        assert [line.strategy for line in lines] == ["uniform", "stratified", "stratified"]
        assert [line.recipe_name for line in lines] == [None, "few_labels", "few_labels"]
        with pytest.raises(ExperimentError, match=r"models\.shallow: the recipe auto is chosen"):
            tiny_study(tmp_path, "models.shallow.recipe={name = 'auto'}")

    def test_the_first_round_after_the_initial_one_may_have_a_budget_of_its_own(
        self, tmp_path: Path
    ) -> None:
        experiment = tiny(tmp_path, "budgets.first_round_budget=4", "budgets.total_budget=25")
        lines = run(experiment, tmp_path / "out")["proxy", 3]
        assert [len(line.indices) for line in lines] == [12, 4, 6, 3]
        assert [line.n_labeled for line in lines] == experiment.budgets.points()

    def test_arms_share_round_0_and_seeds_differ(self, tmp_path: Path) -> None:
        experiment = tiny(tmp_path, "seeds=[3, 4]")
        lines = run(experiment, tmp_path / "out")
        first = {key: rounds[0].indices for key, rounds in lines.items()}
        assert first["proxy", 3] == first["target", 3] == first["uniform", 3]
        assert first["proxy", 3] != first["proxy", 4]

    def test_every_point_of_the_target_is_known_where_it_selects_for_itself(
        self, tmp_path: Path
    ) -> None:
        lines = run(tiny(tmp_path), tmp_path / "out")["target", 3]
        assert [line.target_error is None for line in lines] == [True, True, False]
        result = summarize(lines)
        assert result.n_labels == [12, 18, 24]
        assert result.target_errors[:2] == [lines[1].proxy_error, lines[2].proxy_error]

    def test_arms_that_train_one_model_on_the_same_items_get_the_same_model(
        self, tmp_path: Path
    ) -> None:
        alike = "models.proxy.recipe={epochs=3, minibatch=8, learning_rate=0.05}"
        same = "models.target.recipe={epochs=3, minibatch=8, learning_rate=0.05}"
        lines = run(tiny(tmp_path, alike, same), tmp_path / "out")
        selects_for_itself = lines["target", 3][1].proxy_error
        assert selects_for_itself == lines["uniform", 3][0].target_error
        assert selects_for_itself == lines["proxy", 3][1].proxy_error
        assert indices(lines)["proxy", 3] == indices(lines)["target", 3]

    def test_nothing_timed_is_the_first_of_its_kind(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trainings, selections = [], []

        def watched(setup: ModelSetup, *more: Any, **kw: Any) -> Any:
            trainings.append((setup.recipe.learning_rates[0], setup.recipe.epochs))
            return train(setup, *more, **kw)

        def selected(pool: Pool, asked: SelectionRequest) -> Any:
            selections.append((asked.strategy, asked.budget))
            return select(pool, asked)

        for module in (training, warm_up):
            monkeypatch.setattr(module, "train", watched)
        monkeypatch.setattr(round_step, "select", selected)
        arms = "arms={a={selector='proxy'}, b={selector='proxy', strategy='k_centers'}}"
        run(tiny(tmp_path, arms, "models.target.recipe.learning_rate=0.04"), tmp_path / "out")
        for rates, epochs in (((0.0005, 0.005), 2), ((0.0004, 0.004), 3)):  # proxy, target
            of_model = [n for rate, n in trainings if any(rate == pytest.approx(r) for r in rates)]
            assert of_model[:2] == [1, epochs], "a training of one epoch warms up"
        for strategy in ("uniform", "least_confidence", "k_centers"):
            assert [n for s, n in selections if s == strategy][:2] in ([8, 12], [8, 6])

    def test_a_probe_on_the_users_vectors_selects_for_a_network_on_images(
        self, tmp_path: Path
    ) -> None:
        content = read_digits().train.content
        assert isinstance(content, Images)
        vectors = content.pixels.reshape(len(content), -1).astype(np.float32)
        np.save(tmp_path / "train.npy", vectors)
        probe = ["models.proxy.model=probe", "models.proxy.recipe={name='mlp', epochs=5}"]
        lines = run(tiny(tmp_path, f"data.features={tmp_path}", *probe), tmp_path / "out")
        assert [line.selector for line in lines["proxy", 3]][1:] == ["probe", "probe"]
        assert [line.selector for line in lines["target", 3]][1:] == ["preact8", "preact8"]
        assert lines["proxy", 3][-1].target_error is not None

    @pytest.mark.slow
    def test_a_warm_start_goes_on_from_the_round_before_also_when_cut_off(
        self, tmp_path: Path
    ) -> None:
        def found(lines: Lines) -> list[tuple[float | None, list[int]]]:
            return [(line.proxy_error, line.indices) for line in lines["proxy", 3]]

        warm = tiny(tmp_path, "models.proxy.recipe.warm_start=true")
        before = run(warm, tmp_path / "out")
        cold = run(tiny(tmp_path), tmp_path / "cold")
        assert found(before)[:2] == found(cold)[:2], "the first proxy has none before it"
        assert found(before)[2] != found(cold)[2]
        path = LineFile(tmp_path / "out", "proxy", 3).path
        path.write_bytes(path.read_bytes()[:-20])
        # As if the cut had come before the older one was removed.
        kept = tmp_path / "out" / "checkpoints"
        assert [p.name for p in kept.glob("*.safetensors")] == ["proxy-seed3-proxy2.safetensors"]
        (kept / "proxy-seed3-proxy2.safetensors").unlink()
        first = run(replace_budget(warm, 18), tmp_path / "short")
        assert indices(first)["proxy", 3] == indices(before)["proxy", 3][:2]
        name = "proxy-seed3-proxy1.safetensors"
        (kept / name).write_bytes((tmp_path / "short" / "checkpoints" / name).read_bytes())
        again = run(warm, tmp_path / "out")
        assert found(again) == found(before)

    def test_what_is_on_the_disk_is_not_run_again(self, tmp_path: Path) -> None:
        experiment = tiny(tmp_path)
        before = run(experiment, tmp_path / "out")
        stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("*.jsonl")}
        assert run(experiment, tmp_path / "out") == before
        assert {p: p.stat().st_mtime_ns for p in stamps} == stamps

    def test_a_line_that_was_cut_off_is_run_again(self, tmp_path: Path) -> None:
        experiment = tiny(tmp_path)
        before = indices(run(experiment, tmp_path / "out"))
        path = LineFile(tmp_path / "out", "proxy", 3).path
        path.write_bytes(path.read_bytes()[:-20])
        assert indices(run(experiment, tmp_path / "out")) == before

    def test_folder_of_another_experiment_is_refused(self, tmp_path: Path) -> None:
        run(tiny(tmp_path), tmp_path / "out")
        with pytest.raises(ExperimentError, match="other settings"):
            run(tiny(tmp_path, "budgets.total_budget=30"), tmp_path / "out")

    @pytest.mark.slow
    def test_killed_run_goes_on_and_ends_with_the_same_indices(self, tmp_path: Path) -> None:
        more = ["seeds=[3, 4, 5]", "models.proxy.recipe.epochs=20"]
        command = [
            *[sys.executable, "-m", "workers.cli.main", "simulate", str(write_tiny(tmp_path))],
            *[part for setting in more for part in ("--set", setting)],
            *["--out", str(tmp_path / "killed")],
        ]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SVP_")}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        path = LineFile(tmp_path / "killed", "proxy", 4).path
        wait_for(path.exists, 120)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not LineFile(tmp_path / "killed", "uniform", 5).path.exists()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        whole = run(tiny(tmp_path, *more), tmp_path / "whole")
        killed = run(tiny(tmp_path, *more), tmp_path / "killed")
        assert indices(killed) == indices(whole)


class TestConfig:
    def test_bundled_experiments_fit(self) -> None:
        assert {"digits", "cifar10-small", "amazon-small"} < set(bundled())

    @pytest.mark.parametrize(
        ("override", "sentence"),
        [
            ("strategy=guess", "There is no strategy 'guess'"),
            ("models.proxy.model=resnet9000", "no model 'resnet9000'"),
            ("models.proxy.model=probe", "takes vectors; name their folder in data.features"),
            ("models.proxy={model='vdcnn9'}", "must take the same kind of items"),
            ("models.proxy.recipe={name='slow'}", "no recipe 'slow'; known are paper"),
            ("arms.proxy.selector=nobody", "there is no model 'nobody'"),
            ("budgets.total_budget=0", "greater than or equal to 1"),
            ("budgets.total_budget=61", "61, but the pool has 60 items"),
            ("budget=3", "Extra inputs are not permitted"),
            ("oracle.confusion=[[0.5, 0.4], [0, 1]]", "sum to 1"),
            ("nonsense", "key=value"),
        ],
    )
    def test_what_does_not_fit_is_explained(
        self, tmp_path: Path, override: str, sentence: str
    ) -> None:
        with pytest.raises(ExperimentError, match=sentence):
            tiny(tmp_path, override)

    def test_more_labels_than_the_data_has_items_are_refused_before_anything_is_written(
        self, tmp_path: Path
    ) -> None:
        text = write_tiny(tmp_path).read_text().replace("n_pool = 60\n", "", 1)
        (tmp_path / "whole.toml").write_text(text)
        experiment = load_experiment(str(tmp_path / "whole.toml"), ["budgets.total_budget=9000"])
        assert experiment.data.n_pool is None
        with pytest.raises(ExperimentError, match=r"total_budget is 9000, but the pool .* has \d+"):
            run_any(experiment, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_unknown_experiment_lists_the_bundled(self) -> None:
        with pytest.raises(ExperimentError, match="cifar10-small"):
            load_experiment("cifar11")

    @pytest.mark.parametrize("name", ["cifar10-small", "amazon-small"])
    def test_stored_results_load_and_keep_their_hash(self, name: str) -> None:
        with opened(ROOT / "docs" / "results" / name) as stored:
            experiment, lines = read_experiment(stored), read_lines(stored)
        assert experiment.hash == load_experiment(name).hash
        assert {line.experiment_hash for run in lines.values() for line in run} == {experiment.hash}
        assert len(lines) == 3 * len(experiment.seeds)

    def test_seeds_and_title_do_not_change_the_hash(self, tmp_path: Path) -> None:
        assert tiny(tmp_path).hash == tiny(tmp_path, "seeds=[9]", "title=other").hash
        assert tiny(tmp_path).hash != tiny(tmp_path, "data.n_pool=61").hash


def test_lines_hold_what_the_report_needs(tmp_path: Path) -> None:
    run(tiny(tmp_path), tmp_path / "out")
    text = (tmp_path / "out" / "proxy-seed3.jsonl").read_text()
    line = json.loads(text.partition("\n")[0])
    assert {"arm", "number", "indices", "n_labeled", "proxy_error", "target_error"} <= set(line)
    assert {"seconds", "device", "seed", "versions", "recipe_hash"} <= set(line)
