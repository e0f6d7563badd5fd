"""Exported files are read back the same, open in other programs, and run nothing there."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.exports import csv_table, fasttext, hugging_face, image_folder, label_studio, parquet
from app.exports.cells import FORMULA_STARTS, cell
from app.exports.labeled import LabeledItem, safe_name
from app.imports.formats import open_source
from app.imports.found import FoundItem, Options
from tests.app.imports.written import library, png

COLUMNS = ("external_id", "class", "text")


def text_item(external_id: str, class_name: str, text: str, **given_by: str) -> LabeledItem:
    values = {"external_id": external_id, "class": class_name, "text": text}
    return LabeledItem(external_id, "pool", class_name, values, {"site": 3}, given_by, text)


TEXTS = [
    text_item("r-1", "good", 'It "works",\nas it should', ada="good", bob="bad"),
    text_item("r-2", "bad", "Ümläut", ada="bad"),
]


def read_back(path: Path, data: Iterator[bytes], **said: str) -> list[FoundItem]:
    path.write_bytes(b"".join(data))
    with open_source(path) as source:
        found = list(source.read(Options(said)))
    assert all(isinstance(item, FoundItem) for item in found), found
    return [item for item in found if isinstance(item, FoundItem)]


def known(items: list[FoundItem]) -> list[tuple[str, str | None, str]]:
    return [(item.external_id, item.text, item.labels[0].class_name) for item in items]


EXPECTED = [(item.external_id, item.text, item.class_name) for item in TEXTS]


def test_csv_comes_back_with_a_column_an_annotator(tmp_path: Path) -> None:
    data = b"".join(csv_table.write(TEXTS, COLUMNS, ["ada", "bob"]))
    assert known(read_back(tmp_path / "x.csv", iter([data]))) == EXPECTED
    rows = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    assert [(row["label:ada"], row["label:bob"]) for row in rows] == [("good", "bad"), ("bad", "")]


def test_parquet_comes_back_with_its_types(tmp_path: Path) -> None:
    library("pyarrow")
    items = [LabeledItem("a", "pool", "x", {"item_id": 7, "text": "t", "class": "x"}, {}, {}, "t")]
    data = parquet.write(items, ("item_id", "text", "class"), ["ada"])
    (item,) = read_back(tmp_path / "x.parquet", data)
    assert (item.text, item.external_id) == ("t", "7")
    frame = library("pandas").read_parquet(tmp_path / "x.parquet")
    assert frame["item_id"].dtype == "int64"
    assert list(frame.columns) == ["item_id", "text", "class", "label:ada"]


def test_label_studio_comes_back_with_each_answer(tmp_path: Path) -> None:
    first, second = read_back(tmp_path / "x.json", label_studio.write(TEXTS))
    assert (first.external_id, first.text) == EXPECTED[0][:2]
    assert second.labels[0].class_name == "bad"
    assert first.metadata["site"] == 3


def test_fasttext_is_a_line_an_item(tmp_path: Path) -> None:
    items = [text_item("a", "very good", "two\nlines")]
    (item,) = read_back(tmp_path / "x.txt", fasttext.write(items))
    assert (item.text, item.labels[0].class_name) == ("two lines", "very_good")


def image_item(external_id: str, class_name: str, data: bytes | None) -> LabeledItem:
    return LabeledItem(external_id, "pool", class_name, {}, {}, {}, image=lambda: data)


def test_images_come_back_by_class_under_safe_names(tmp_path: Path) -> None:
    items = [
        image_item("../../a.png", "warm", png("red")),
        image_item("A.png", "cold/x", png("blue")),
        image_item("a.png", "cold/x", png("blue")),
        image_item("gone.png", "warm", None),
    ]
    data = b"".join(image_folder.write(items))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "warm/_.._a.png", "cold_x/A.png", "cold_x/a-2.png", "missing.txt",
        ]  # fmt: skip
        assert archive.read("missing.txt") == b"gone.png\n"
    found = read_back(tmp_path / "x.zip", iter([data]))
    assert [item.labels[0].class_name for item in found] == ["cold_x", "cold_x", "warm"]


def unpacked(data: Iterator[bytes], folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(b"".join(data))) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return folder


class TestHuggingFace:
    COLUMNS = ("external_id", "class", "split", "text")

    def items(self) -> list[LabeledItem]:
        measured = replace(text_item("e-1", "bad", "broken"), split="evaluation")
        return [*TEXTS, measured]

    def test_the_folder_has_a_split_each_and_names_of_classes(self, tmp_path: Path) -> None:
        parquet = library("pyarrow").parquet
        data = hugging_face.write(self.items(), ["good", "bad"], self.COLUMNS, is_text=True)
        folder = unpacked(data, tmp_path)
        names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        assert names == ["README.md", "data/test-00000.parquet", "data/train-00000.parquet"]
        card = (folder / "README.md").read_text()
        assert "  - split: train\n    path: data/train-*.parquet\n" in card
        table = parquet.read_table(folder / "data" / "train-00000.parquet")
        assert table["label"].to_pylist() == [0, 1]
        features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        assert features["label"] == {"names": ["good", "bad"], "_type": "ClassLabel"}
        assert set(features) == set(table.column_names)

    def test_the_importer_reads_it_back(self, tmp_path: Path) -> None:
        library("pyarrow")
        data = hugging_face.write(TEXTS, ["good", "bad"], self.COLUMNS, is_text=True)
        assert known(read_back(tmp_path / "x.zip", data, text="text")) == EXPECTED

    def test_images_are_in_it_and_missing_ones_listed(self, tmp_path: Path) -> None:
        parquet = library("pyarrow").parquet
        items = [image_item("a/b.png", "x", png("red")), image_item("gone.png", "x", None)]
        folder = unpacked(hugging_face.write(items, ["x"], (), is_text=False), tmp_path)
        (row,) = parquet.read_table(folder / "data" / "train-00000.parquet").to_pylist()
        assert row == {"image": {"bytes": png("red"), "path": "a_b.png"}, "label": 0}
        assert (folder / "missing.txt").read_text() == "gone.png\n"

    def test_datasets_loads_it(self, tmp_path: Path) -> None:
        datasets = library("datasets")
        data = hugging_face.write(self.items(), ["good", "bad"], self.COLUMNS, is_text=True)
        found = datasets.load_dataset(str(unpacked(data, tmp_path / "x")), cache_dir=tmp_path / "c")
        assert {name: len(rows) for name, rows in found.items()} == {"train": 2, "test": 1}
        assert found["train"].features["label"].names == ["good", "bad"]
        assert found["test"][0]["text"] == "broken"


@given(st.text())
def test_a_safe_name_is_one_files_name(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert len(safe.encode("utf-8", "surrogatepass")) <= 200
    assert not set(safe) & set('/\\:*?"<>|\0')
    assert safe not in (".", "..")
    assert safe_name(safe) == safe


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_what_could_be_a_formula_is_guarded(start: str) -> None:
    assert cell(f"{start}1+1") == f"'{start}1+1"
    assert cell(f"{start}1+1", is_raw=True) == f"{start}1+1"
    assert cell(-5) == -5
    assert cell(["=1"]) == '["=1"]'
