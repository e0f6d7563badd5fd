"""`svp predict` on files that `svp import` reads."""

import csv
from pathlib import Path

from typer.testing import CliRunner

from models.data.arrays import InputSpec
from models.predictor import load
from tests.models.test_predictor import PIXELS, store
from tests.projects import png
from workers.cli.main import app


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["predict", *map(str, arguments)])
    return done.exit_code, done.output


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_of_images_and_one_that_cannot_be_read(tmp_path: Path) -> None:
    model, folder, out = tmp_path / "m.safetensors", tmp_path / "images", tmp_path / "out.csv"
    store(model, "preact8", InputSpec(16, 16, 1))
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.png").write_bytes(png(PIXELS[i]))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    code, said = run(model, folder, "--out", out, "--probs")
    assert code == 0, said
    assert "3 predictions" in said
    assert "broken.png" in said
    rows = read(out)
    found = load(model)([png(PIXELS[i]) for i in range(3)])
    assert [row["class"] for row in rows] == found.classes
    assert [float(row["p:cat"]) for row in rows] == found.probs[:, 0].tolist()


def test_texts_of_a_table_and_names_that_are_no_formulas(tmp_path: Path) -> None:
    model, table, out = tmp_path / "m.safetensors", tmp_path / "t.csv", tmp_path / "out.csv"
    store(model, "fasttext", InputSpec(), buckets=64)
    table.write_text("external_id,text\n=1+1,good film\nb,bad film\n")
    code, said = run(model, table, "--out", out)
    assert code == 0, said
    assert [row["external_id"] for row in read(out)] == ["'=1+1", "b"]
    assert set(read(out)[0]) == {"external_id", "class", "confidence"}


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"no model")
    done = CliRunner().invoke(app, ["predict", str(tmp_path / "m"), "x", "--out", "o.csv"])
    assert done.exit_code == 1
    assert "no safetensors" in str(done.exception) or "damaged" in str(done.exception)
