"""The report as files: a page that needs nothing else, Markdown, pictures, CSV; its refusals."""

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.experiments import run, tiny
from tests.workers.reports.made_up import (
    active_learning_config,
    core_set_config,
    write_active_learning,
    write_core_sets,
)
from workers.cli.main import app
from workers.reports.cells import interval
from workers.reports.document import Table
from workers.reports.report import write_report
from workers.reports.statistics import estimate
from workers.simulation.config import ExperimentError

RESULTS = Path(__file__).parents[3] / "docs" / "results"


def error(_arm: str, n: int, seed: int) -> float:
    return 0.3 - n / 200_000 + seed / 1000


def numbers(path: Path) -> dict[str, float]:
    """Return the numbers of a CSV file by row and column."""
    with path.open() as file:
        cells = {
            f"{i} {k}": v for i, row in enumerate(csv.DictReader(file)) for k, v in row.items()
        }
    return {k: float(v) for k, v in cells.items() if v.replace(".", "").lstrip("-").isdigit()}


class TestFiles:
    def test_a_run_leaves_a_page_that_needs_nothing_else(self, tmp_path: Path) -> None:
        run(tiny(tmp_path, "seeds=[3, 4]"), tmp_path / "out")
        write_report([tmp_path / "out"], tmp_path / "report")
        html = (tmp_path / "report" / "report.html").read_text()
        assert html.count("data:image/png;base64,") == 2
        assert "http://" not in html
        assert "Tiny digits" in html
        files = {path.name for path in (tmp_path / "report").iterdir()}
        assert files == {
            "report.html",
            "report.md",
            "error-by-budget.png",
            "differences-and-seconds.png",
            "points.csv",
            "selectors.csv",
            "tables",
        }

    def test_csv_holds_numbers_errors_in_0_to_1(self, tmp_path: Path) -> None:
        folder = write_active_learning(tmp_path / "run", active_learning_config(), error)
        write_report([folder], tmp_path / "report")
        with (tmp_path / "report" / "points.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 3 * 6
        last = next(r for r in rows if r["arm"] == "proxy" and r["labels"] == "25000")
        assert float(last["error"]) == pytest.approx(0.3 - 0.125 + 0.002)
        assert float(last["speedup"]) == pytest.approx(1.0)

    def test_the_same_lines_give_the_same_files(self, tmp_path: Path) -> None:
        folder = write_active_learning(tmp_path / "run", active_learning_config(), error)
        write_report([folder], tmp_path / "one")
        write_report([folder], tmp_path / "two")
        files = [path for path in (tmp_path / "one").rglob("*") if path.is_file()]
        assert {path.suffix for path in files} == {".html", ".md", ".png", ".csv", ".tex"}
        for path in files:
            other = tmp_path / "two" / path.relative_to(tmp_path / "one")
            assert path.read_bytes() == other.read_bytes()

    @pytest.mark.parametrize("name", ["cifar10-small", "amazon-small"])
    def test_reports_of_stored_results_can_be_written_again(
        self, tmp_path: Path, name: str
    ) -> None:
        command = ["report", str(RESULTS / name), "--out", str(tmp_path)]
        answer = CliRunner().invoke(app, command, catch_exceptions=False)
        assert answer.exit_code == 0
        for path in tmp_path.glob("*.csv"):
            assert numbers(path) == pytest.approx(numbers(RESULTS / name / path.name))


class TestFoldersTogether:
    def test_seeds_of_one_experiment_are_put_together(self, tmp_path: Path) -> None:
        parts = [
            write_active_learning(tmp_path / "a", active_learning_config(seeds=[1, 2]), error),
            write_active_learning(tmp_path / "b", active_learning_config(seeds=[3, 4]), error),
        ]
        document = write_report(parts, tmp_path / "report").document
        assert document.facts["seeds"] == "1, 2, 3, 4"
        assert [row["error_seeds"] for row in document.records["points"]] == [4] * 18

    def test_row_groups_of_one_table_stand_in_one_report(self, tmp_path: Path) -> None:
        other = active_learning_config(name="k-centers", strategy="k_centers")
        parts = [
            write_active_learning(tmp_path / "a", active_learning_config(), error),
            write_active_learning(tmp_path / "b", other, error),
        ]
        document = write_report(parts, tmp_path / "report").document
        arms = {(row["strategy"], row["selector"]) for row in document.records["points"]}
        assert arms == {
            ("least_confidence", "preact20"),
            ("least_confidence", "preact164"),
            ("k_centers", "preact20"),
            ("k_centers", "preact164"),
            ("uniform", "none"),  # the same in both, so once
        }

    def test_kinds_are_not_mixed(self, tmp_path: Path) -> None:
        rounds = write_active_learning(tmp_path / "a", active_learning_config(), error)
        kept = write_core_sets(tmp_path / "b", core_set_config(), lambda *_: 0.1, seconds={})
        with pytest.raises(ExperimentError, match=r"different kinds.*write a report of each"):
            write_report([rounds, kept], tmp_path / "report")

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"data": {"name": "cifar10", "n_pool": 40_000}}, "differ in data"),
            (
                {
                    "budgets": {
                        "initial_budget": 1_000,
                        "round_budget": 500,
                        "total_budget": 25_000,
                    }
                },
                "differ in budgets",
            ),
            (
                {
                    "models": {
                        "target": {"model": "preact110"},
                        "proxy": {"model": "preact20"},
                    }
                },
                "differ in the target",
            ),
            ({"oracle": {"noise": 0.1}}, "differ in the oracle"),
        ],
    )
    def test_unlike_runs_are_refused(
        self, tmp_path: Path, changes: dict[str, object], sentence: str
    ) -> None:
        parts = [
            write_active_learning(tmp_path / "a", active_learning_config(), error),
            write_active_learning(tmp_path / "b", active_learning_config(**changes), error),
        ]
        with pytest.raises(ExperimentError, match=sentence):
            write_report(parts, tmp_path / "report")

    def test_published_and_modified_files_are_not_mixed(self, tmp_path: Path) -> None:
        parts = [
            write_active_learning(tmp_path / "a", active_learning_config(), error),
            write_active_learning(
                tmp_path / "b", active_learning_config(seeds=[9]), error, data="cifar10 (modified)"
            ),
        ]
        with pytest.raises(ExperimentError, match="differ in the data's files"):
            write_report(parts, tmp_path / "report")

    def test_folder_without_a_run_says_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(ExperimentError, match="svp simulate"):
            write_report([tmp_path], tmp_path / "report")


class TestGaps:
    def test_a_whole_run_has_none(self, tmp_path: Path) -> None:
        folder = write_active_learning(tmp_path / "run", active_learning_config(), error)
        assert write_report([folder], tmp_path / "report").document.gaps == []

    def test_missing_seeds_and_arms_are_named_in_every_form(self, tmp_path: Path) -> None:
        config = active_learning_config(seeds=[1, 2, 3])
        left_out = [("target", 2), ("proxy", 3), ("target", 3), ("uniform", 3)]
        folder = write_active_learning(tmp_path / "run", config, error, left_out=left_out)
        report = write_report([folder], tmp_path / "report")
        sentences = [
            "Missing: proxy, uniform not run with seed 3.",
            "Missing: target not run with seeds 2, 3.",
        ]
        assert list(report.document.gaps) == sentences
        assert report.table().caption == "\n".join(sentences)
        for name in ("report.md", "report.html"):
            text = (tmp_path / "report" / name).read_text()
            assert all(sentence in text for sentence in sentences)

    def test_a_seed_that_no_arm_has_run_is_named_once(self, tmp_path: Path) -> None:
        left_out = [(arm, 3) for arm in ("proxy", "target", "uniform")]
        config = active_learning_config()
        folder = write_active_learning(tmp_path / "run", config, error, left_out=left_out)
        gaps = write_report([folder], tmp_path / "report").document.gaps
        assert gaps == ["Missing: no arm has run with seed 3."]

    def test_a_run_that_stopped_is_named(self, tmp_path: Path) -> None:
        config = active_learning_config(seeds=[1])
        folder = write_active_learning(
            tmp_path / "run", config, error, budgets=(1_000, 5_000, 10_000)
        )
        gaps = write_report([folder], tmp_path / "report").document.gaps
        assert "Unfinished: proxy, seed 1: stopped at 10,000 of 25,000 labels." in gaps


class TestTables:
    def test_each_stands_as_csv_and_as_latex_that_escapes(self, tmp_path: Path) -> None:
        folder = write_active_learning(tmp_path / "run", active_learning_config(), error)
        document = write_report([folder], tmp_path / "report").document
        shown = next(block for block in document.blocks if isinstance(block, Table))
        folder = tmp_path / "report" / "tables"
        with (folder / f"{shown.name}.csv").open() as file:
            assert list(csv.reader(file)) == [list(shown.header), *map(list, shown.rows)]
        latex = (folder / f"{shown.name}.tex").read_text()
        assert latex.startswith(rf"\begin{{tabular}}{{{'l' * len(shown.header)}}}")
        assert r"least\_confidence" in latex
        assert r"$\pm$" in latex
        assert latex.count(r" \\") == len(shown.rows) + 1

    def test_intervals_of_errors_end_at_0_and_100_percent(self) -> None:
        assert interval(estimate([0.0, 0.02])) == "0.0 to 13.7"
        assert interval(estimate([1.0, 0.98])) == "86.3 to 100.0"


class TestWithoutThePackage:
    def test_a_run_is_read_whose_strategy_and_model_are_gone(self, tmp_path: Path) -> None:
        folder = write_active_learning(tmp_path / "run", active_learning_config(), error)
        path = folder / "experiment.json"
        gone = path.read_text().replace("least_confidence", "gone_strategy")
        path.write_text(gone.replace('"preact20"', '"gone_model"'))
        document = write_report([folder], tmp_path / "report").document
        assert {row["strategy"] for row in document.records["points"]} == {
            "gone_strategy",
            "uniform",
        }
