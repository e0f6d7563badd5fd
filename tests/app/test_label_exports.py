"""The export of labels: formats, filters, and no formula in a spreadsheet."""

import io
import zipfile
from pathlib import Path

import pytest

from svp_client import Client
from tests.app.conftest import png
from tests.app.items import post, refusal


def rows(admin: Client, project: int, **query: object) -> list[str]:
    path = f"/projects/{project}/labels"
    text = admin.request("GET", path, params={"format": "csv", **query}).text
    return text.split("\r\n")[:-1]


@pytest.fixture
def labeled(running: int, people: list[Client]) -> int:
    """A running project whose items 0..3 are labeled: two by ada (neg), two by bob (pos)."""
    for person, name in zip(people[:2], ("neg", "pos"), strict=True):
        items = person.next_batch(running, size=2)["items"]
        person.submit_labels(running, [{"item_id": i["item_id"], "class": name} for i in items])
    return running


class TestFilters:
    def test_class_annotator_round_and_time(self, admin: Client, labeled: int) -> None:
        assert len(rows(admin, labeled)) == 5
        assert len(rows(admin, labeled, **{"class": "neg"})) == 3
        assert len(rows(admin, labeled, annotator="bob")) == 3
        assert len(rows(admin, labeled, annotator="bob", **{"class": "neg"})) == 1
        assert len(rows(admin, labeled, round=0)) == 5
        assert len(rows(admin, labeled, round=7)) == 1
        assert len(rows(admin, labeled, since="2100-01-01T00:00:00Z")) == 1
        assert len(rows(admin, labeled, max_agreement=0.5)) == 1
        assert len(list(admin.export_labels(labeled, class_="neg"))) == 2

    def test_flags(self, admin: Client, labeled: int, people: list[Client]) -> None:
        first = next(admin.export_labels(labeled))
        path = f"/projects/{labeled}/flags"
        people[0].request("POST", path, json={"item_ids": [first["item_id"]], "comment": "odd"})
        assert [len(rows(admin, labeled, flagged=on)) for on in ("true", "false")] == [2, 4]

    def test_items_of_the_evaluation_split_come_with_their_class(
        self, admin: Client, labeled: int
    ) -> None:
        line = b'{"external_id": "e", "text": "t", "class": "pos", "split": "evaluation"}'
        post(admin, labeled, line)
        (only,) = admin.export_labels(labeled, split="evaluation")
        assert (only["external_id"], only["class"], only["source"]) == ("e", "pos", "import")
        every = [row["split"] for row in admin.export_labels(labeled, split="all")]
        assert every == ["pool"] * 4 + ["evaluation"]
        assert [row["split"] for row in admin.export_labels(labeled)] == ["pool"] * 4
        for query in ({"class": "neg"}, {"annotator": "ada"}, {"round": 0}, {"flagged": True}):
            assert len(rows(admin, labeled, split="evaluation", **query)) == 1

    def test_bad_filters_are_refused(self, admin: Client, labeled: int) -> None:
        for query in (
            {"class": "nope"},
            {"format": "xlsx"},
            {"since": "yesterday"},
            {"split": "x"},
        ):
            path = f"/projects/{labeled}/labels"
            assert refusal(admin, "GET", path, params=query)[0] == 422


class TestFormats:
    def test_csv_has_the_text_and_on_request_a_column_an_annotator(
        self, admin: Client, labeled: int
    ) -> None:
        header, first, *_ = rows(admin, labeled, annotators=True)
        assert header.endswith("metadata,text,image_uri,label:ada,label:bob")
        assert first.endswith("{},text 0,,neg,")

    def test_all_formats_of_texts_can_be_downloaded(
        self, admin: Client, labeled: int, tmp_path: Path
    ) -> None:
        for format_, start in (
            ("jsonl", b'{"item_id"'),
            ("csv", b"item_id,"),
            ("parquet", b"PAR1"),
            ("label-studio", b"["),
            ("fasttext", b"__label__neg text 0\n"),
            ("hugging-face", b"PK"),
        ):
            path = tmp_path / format_
            with path.open("wb") as file:
                file.write(admin.download_labels(labeled, format_))
            assert path.read_bytes().startswith(start)
        there = f"/projects/{labeled}/labels?format=images"
        assert refusal(admin, "GET", there)[0] == 422

    def test_images_come_as_a_folder_a_class(self, admin: Client, images: int) -> None:
        about = {"1.png": {"class": "a"}, "2.png": {"class": "b"}}
        admin.upload_images(images, [(name, png()) for name in about], about)
        data = admin.download_labels(images, "images")
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.namelist() == ["a/1.png", "b/2.png"]
            assert archive.read("a/1.png") == png()
        path = f"/projects/{images}/labels?format=fasttext"
        assert refusal(admin, "GET", path)[0] == 422


class TestFormulas:
    def test_a_class_that_is_a_formula_is_guarded_unless_asked_for(self, admin: Client) -> None:
        project = admin.create_project(
            name="p", modality="text", classes=["=1+1", "b"],
            initial_budget=1, round_budget=1, total_budget=2,
        )["id"]  # fmt: skip
        post(admin, project, b'{"external_id": "@x", "text": "+1", "class": "=1+1"}')
        ((guarded,), (raw,)) = (rows(admin, project, raw=on)[1:] for on in ("false", "true"))
        assert (",'@x," in guarded, ",'=1+1," in guarded, ",'+1," in guarded) == (True,) * 3
        assert (",@x," in raw, ",=1+1," in raw, ",+1," in raw) == (True,) * 3
