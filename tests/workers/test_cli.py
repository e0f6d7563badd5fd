"""`svp models`: every model of the catalog, as a table and as JSON."""

import json
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from models.catalog import MODELS
from workers.cli.main import app
from workers.simulation.bundled import bundled_names, bundled_text, bundled_values


class TestModels:
    def test_json_says_what_each_model_is(self) -> None:
        answer = CliRunner().invoke(app, ["models", "--json"])
        assert answer.exit_code == 0
        rows = {row["name"]: row for row in json.loads(answer.stdout)}
        assert set(rows) == set(MODELS)
        assert rows["preact164"]["parameters"] == 1_703_258
        assert rows["preact164"]["features"] == 256
        assert rows["preact164"]["modality"] == "image"
        assert rows["vdcnn9"]["recipes"] == ["paper", "fast", "few_labels"]
        assert rows["inception_v3"]["smallest_side"] == 75
        assert (rows["probe"]["parameters"], rows["probe"]["modality"]) == (None, None)

    def test_the_table_fits_80_columns(self) -> None:
        answer = CliRunner().invoke(app, ["models"], env={"COLUMNS": "80"})
        lines = answer.stdout.splitlines()
        assert max(map(len, lines)) <= 80
        assert "…" not in answer.stdout
        (resnet50,) = (line for line in lines if line.split()[:1] == ["resnet50"])
        assert " ".join(resnet50.split()) == "resnet50 pixels 23.53 M 2048 100 paper torchvision"


class TestExperiments:
    def test_each_has_one_line_that_fits_80_columns(self) -> None:
        answer = CliRunner().invoke(app, ["experiments"], env={"COLUMNS": "80"})
        assert answer.exit_code == 0
        lines = answer.stdout.splitlines()
        assert max(map(len, lines)) <= 80
        names = [line.split()[0] for line in lines if line.startswith("  ")]
        assert sorted(names) == bundled_names()

    def test_each_says_what_it_costs_here(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("workers.simulation.cost.REFERENCE_SECONDS", 1e-9)  # a slow machine
        answer = CliRunner().invoke(app, ["experiments"], env={"COLUMNS": "80"})
        (line,) = [line for line in answer.stdout.splitlines() if " digits " in line]
        assert re.search(r"3 seeds +[\d,.]+ (years|days) ", line)
        assert all("cpu_hours" in bundled_values(name) for name in bundled_names())

    def test_one_is_printed_as_its_file_stands(self) -> None:
        answer = CliRunner().invoke(app, ["experiments", "digits"])
        assert answer.stdout == bundled_text("digits")
        unknown = CliRunner().invoke(app, ["experiments", "digit"])
        assert unknown.exit_code != 0
        assert "There is no experiment 'digit'" in str(unknown.exception)

    def test_json_holds_what_the_files_say(self) -> None:
        answer = CliRunner().invoke(app, ["experiments", "--json"])
        found = {each["name"]: each for each in json.loads(answer.stdout)}
        assert found["digits"]["budgets"]["total_budget"] == 240

    def test_the_first_line_of_a_run_comes_before_the_models_are_imported(self) -> None:
        script = (
            "import sys\n"
            "from rich.console import Console\n"
            "said = Console.print\n"
            "def say(self, *words, **more):\n"
            "    said(self, *words, **more)\n"
            "    raise SystemExit('torch' in sys.modules)\n"
            "Console.print = say\n"
            "from workers.cli.main import app\n"
            "app(['simulate', 'digits'])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == "Reading digits.\n"


def test_a_token_without_a_project_must_say_that_it_reaches_all() -> None:
    for more in ([], ["--project", "1", "--all-projects"]):
        done = CliRunner().invoke(app, ["token", "create", "ada", *more])
        assert done.exit_code == 2
        assert "--all-projects" in done.output
