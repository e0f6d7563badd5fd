"""Rare classes of an experiment: what lines say of them, in process, and their report."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from tests.experiments import run, tiny
from tests.workers.reports.made_up import active_learning_config, write_active_learning
from tests.workers.reports.reading import figure, series, table
from workers.reports.report import document_of
from workers.simulation.active_learning.lines import read_lines
from workers.simulation.active_learning.rare import count_rare, rare_recall
from workers.simulation.data import load_data
from workers.steps.predictions import ItemPredictions


class TestRecall:
    def test_it_is_the_mean_over_the_rare_classes(self) -> None:
        labels = np.array([0, 0, 0, 0, 1, 1, 2])
        probs = np.eye(3, dtype=np.float32)[[0, 1, 1, 1, 1, 1, 0]]
        found = ItemPredictions(np.arange(7), probs, labels)
        assert rare_recall(found, [0, 1]) == pytest.approx((1 / 4 + 1) / 2)
        assert rare_recall(found, [2]) == 0
        assert rare_recall(found, []) is None
        assert rare_recall(replace(found, labels=None), [0]) is None

    def test_a_class_without_evaluation_items_says_nothing(self) -> None:
        found = ItemPredictions(np.arange(2), np.eye(2, dtype=np.float32), np.array([0, 1]))
        assert rare_recall(found, [1, 5]) == 1
        assert rare_recall(found, [5]) is None

    def test_items_are_counted(self) -> None:
        assert count_rare(np.array([3, 1, 3]), [3, 4]) == 2
        assert count_rare(np.array([3, 1, 3]), []) is None


class TestLines:
    def test_they_count_what_is_labeled_and_know_the_models_recall(self, tmp_path: Path) -> None:
        experiment = tiny(
            tmp_path, "data.rare={classes = ['1', '2'], fraction = 0.5}", "data.n_pool=80"
        )
        pool = load_data(experiment.data, 3).pool.labels
        lines = run(experiment, tmp_path / "out")
        for rounds in lines.values():
            index: list[int] = []
            for line in rounds:
                index += line.indices
                assert line.n_rare == np.isin(pool[index], [1, 2]).sum()
                assert line.n_rare_in_pool == np.isin(pool, [1, 2]).sum()
        assert all(0 <= (line.target_rare_recall or 0) <= 1 for line in lines["uniform", 3])
        assert lines["uniform", 3][-1].target_rare_recall is not None
        assert lines["target", 3][1].proxy_rare_recall is not None
        table_of_run = table(document_of([tmp_path / "out"]), "Rare classes")
        assert len(table_of_run.rows) == 9

    def test_without_rare_classes_they_say_nothing(self, tmp_path: Path) -> None:
        line = run(tiny(tmp_path), tmp_path / "out")["uniform", 3][0]
        assert line.n_rare is line.n_rare_in_pool is line.target_rare_recall is None
        assert not any("Rare" in part.title for part in document_of([tmp_path / "out"]).main)


class TestReport:
    def test_found_items_and_recall_stand_beside_uniforms(self, tmp_path: Path) -> None:
        config = active_learning_config(data={"name": "cifar10", "n_pool": 40_000})
        folder = tmp_path / "run"
        write_active_learning(folder, config, lambda _arm, _n, seed: 0.2 + seed / 1000)
        found = {"proxy": 30, "target": 20, "uniform": 10}
        for (arm, seed), rounds in read_lines(folder).items():
            path = folder / f"{arm}-seed{seed}.jsonl"
            path.write_text("")
            for line in rounds:
                known = replace(
                    line,
                    n_rare=found[arm] + seed,
                    n_rare_in_pool=100,
                    proxy_rare_recall=0.5,
                    target_rare_recall=None if line.target_error is None else found[arm] / 100,
                )
                with path.open("a") as file:
                    file.write(json.dumps(asdict(known)) + "\n")
        document = document_of([folder])
        row = next(r for r in table(document, "Rare classes").rows if r[:2] == ["proxy", "5,000"])
        assert row == [
            "proxy", "5,000", "32.0", "100", "32.0", "29.5 to 34.5", "+20.0 (+20.0 to +20.0)",
            "30.0", "30.0 to 30.0", "+20.0",
        ]  # fmt: skip
        drawn = series(figure(document, "rare-classes").axes[0])
        assert drawn["proxy"].get_ydata()[-1] == pytest.approx(32)
        numbers = next(r for r in document.records["rare"] if r["arm"] == "target")
        assert numbers["found"] == pytest.approx(0.22)


class TestWholeSeconds:
    def test_a_replay_measures_what_a_speed_up_leaves_out(self, tmp_path: Path) -> None:
        lines = run(tiny(tmp_path), tmp_path / "out")
        for rounds in lines.values():
            assert rounds[0].opening_seconds is not None
            assert rounds[0].opening_seconds > 0
            assert all(line.opening_seconds is None for line in rounds[1:])
            assert all((line.whole_seconds or 0) >= line.selection_seconds for line in rounds)
        shown = table(document_of([tmp_path / "out"]), "Whole wall clock")
        assert [row[0] for row in shown.rows] == ["proxy", "target", "uniform"]
        for row in shown.rows:
            start, rounds_, counted, left_out = map(float, row[1:5])
            assert left_out == pytest.approx(start + rounds_ - counted, abs=0.02)

    def test_runs_without_it_have_no_table(self, tmp_path: Path) -> None:
        folder = tmp_path / "run"
        write_active_learning(folder, active_learning_config(), lambda _arm, _n, _seed: 0.2)
        details = document_of([folder]).details
        assert not any("Whole wall clock" in part.title for part in details)
