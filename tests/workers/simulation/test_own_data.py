"""Experiments on a user's own files: what is read of them, and what is refused."""

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data.arrays import Images
from models.data.readers import DataSetError
from tests.experiments import run_any
from workers.simulation.active_learning.lines import read_lines
from workers.simulation.config import DataConfig, ExperimentError
from workers.simulation.data import load_data
from workers.simulation.load import load_experiment

EXPERIMENT = """
kind = "active_learning"
title = "My texts"
seeds = [1]
strategy = "margin"

[data]
folder = "{folder}"
n_evaluation = 20

[budgets]
initial_budget = 20
round_budget = 20
total_budget = 40

[models.proxy]
model = "tfidf"

[models.target]
model = "tfidf"

[arms.proxy]

[arms.uniform]
strategy = "uniform"
"""


def write_csv(path: Path, rows: list[tuple[str, ...]], head: tuple[str, ...]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def texts(n: int) -> list[tuple[str, ...]]:
    words = ("good sound", "bad picture")
    return [(f"{words[i % 2]} number {i}", "yes" if i % 2 == 0 else "no") for i in range(n)]


def png(grey: int, side: int = 12) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), (grey, grey, grey)).save(file, "png")
    return file.getvalue()


class TestTexts:
    def test_an_experiment_runs_on_a_csv_file(self, tmp_path: Path) -> None:
        folder = write_csv(tmp_path / "mine.csv", texts(120), ("text", "class"))
        path = tmp_path / "mine.toml"
        path.write_text(EXPERIMENT.format(folder=folder))
        run_any(load_experiment(str(path)), tmp_path / "out")
        lines = read_lines(tmp_path / "out")
        assert set(lines) == {("proxy", 1), ("uniform", 1)}
        assert lines["proxy", 1][-1].target_error == 0.0

    def test_items_of_the_test_split_are_evaluated(self, tmp_path: Path) -> None:
        rows = [(*row, "test" if i < 10 else "train") for i, row in enumerate(texts(30))]
        path = write_csv(tmp_path / "mine.csv", rows, ("text", "class", "split"))
        data = load_data(DataConfig(folder=str(path)), 1)
        assert (len(data.pool), len(data.evaluation)) == (20, 10)
        assert data.classes == ["no", "yes"]
        assert data.title == "mine.csv"
        assert set(data.evaluation.content) == {text for text, *_ in rows[:10]}  # type: ignore[arg-type]

    def test_a_budget_over_the_pool_is_refused_before_anything_is_trained(
        self, tmp_path: Path
    ) -> None:
        folder = write_csv(tmp_path / "mine.csv", texts(50), ("text", "class"))
        path = tmp_path / "mine.toml"
        path.write_text(EXPERIMENT.format(folder=folder))
        with pytest.raises(
            ExperimentError, match="total_budget is 40, but the pool of mine has 30 items"
        ):
            run_any(load_experiment(str(path)), tmp_path / "out")


class TestImages:
    def test_class_folders_in_a_zip_are_decoded_to_the_wanted_form(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for split, n in (("train", 6), ("val", 2)):
                for i in range(n):
                    archive.writestr(f"{split}/{'ab'[i % 2]}/{i}.png", png(40 * i))
        data = load_data(DataConfig(folder=str(path), image_size=8, channels=1), 1)
        assert isinstance(data.pool.content, Images)
        assert data.pool.content.pixels.shape == (6, 8, 8, 1)
        assert len(data.evaluation) == 2
        shown = {int(pixels.mean()) // 40 % 2 for pixels in data.pool.content.pixels}
        assert shown == {0, 1}
        order = np.argsort(data.pool_rows)
        assert data.pool.labels[order].tolist() == [0, 0, 0, 1, 1, 1]


class TestRefusals:
    @pytest.mark.parametrize(
        ("rows", "sentence"),
        [
            ([("good", "")], r"line 2 .* has no class"),
            ([("good", "yes"), ("bad", "yes")], "all items of .* have the class 'yes'"),
            ([("", "yes")], "line 2"),
        ],
    )
    def test_what_an_experiment_cannot_use_is_named(
        self, tmp_path: Path, rows: list[tuple[str, ...]], sentence: str
    ) -> None:
        path = write_csv(tmp_path / "mine.csv", rows, ("text", "class"))
        with pytest.raises(DataSetError, match=sentence):
            load_data(DataConfig(folder=str(path)), 1)

    def test_a_damaged_image_is_named(self, tmp_path: Path) -> None:
        for name, content in (("a/1.png", png(3)), ("b/2.png", b"no image")):
            (tmp_path / "train" / name).parent.mkdir(parents=True)
            (tmp_path / "train" / name).write_bytes(content)
        with pytest.raises(DataSetError, match=r"2\.png.* is no image that can be read"):
            load_data(DataConfig(folder=str(tmp_path / "train")), 1)

    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataSetError, match="There is no file or folder"):
            load_data(DataConfig(folder=str(tmp_path / "nowhere")), 1)

    def test_neither_a_name_nor_a_folder_is_refused(self) -> None:
        with pytest.raises(ValueError, match="give the name of a bundled data set, or a folder"):
            DataConfig()
