"""`svp models`: every model of the catalog, as a table and as JSON."""

import json

from typer.testing import CliRunner

from models.catalog import MODELS
from workers.cli.main import app


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


def test_a_token_without_a_project_must_say_that_it_reaches_all() -> None:
    for more in ([], ["--project", "1", "--all-projects"]):
        done = CliRunner().invoke(app, ["token", "create", "ada", *more])
        assert done.exit_code == 2
        assert "--all-projects" in done.output
