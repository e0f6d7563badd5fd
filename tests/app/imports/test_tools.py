"""Answers in the exports of other tools: several people, skips, rejections, damage."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.imports.formats import open_source
from app.imports.found import FileRefused, Found, FoundItem, Options, Refused
from app.imports.given import answers_of, plain_class_of
from tests.app.imports.written import (
    argilla,
    label_studio_min_rows,
    label_studio_tasks,
    lines,
    png,
    tarred,
    zipped,
)

EXPORTS = Path(__file__).parent / "exports"


def read(path: Path, **said: Any) -> list[Found]:
    with open_source(path) as source:
        return list(source.read(Options(**said)))


def answers(found: Found) -> list[tuple[str | None, str]]:
    assert isinstance(found, FoundItem), found
    return [(given.annotator, given.class_name) for given in found.labels]


class TestLabelStudio:
    def answered(self, who: int, name: str, **more: Any) -> dict[str, Any]:
        value = {"type": "choices", "value": {"choices": [name]}}
        return {"completed_by": who, "was_cancelled": False, "result": [value], **more}

    def write(self, folder: Path, *annotations: dict[str, Any]) -> Path:
        task = {**label_studio_tasks()[0], "annotations": list(annotations)}
        path = folder / "x.json"
        path.write_text(json.dumps([task]))
        return path

    def test_each_annotators_newest_answer_counts(self, tmp_path: Path) -> None:
        newest = self.answered(1, "good", updated_at="2026-02-01")
        first = self.answered(1, "bad", updated_at="2026-01-01")
        other = self.answered(2, "bad", updated_at="2026-01-02")
        (item,) = read(self.write(tmp_path, newest, first, other))
        assert sorted(answers(item), key=str) == [("1", "good"), ("2", "bad")]

    def test_an_answer_of_nobody_is_the_items_class(self, tmp_path: Path) -> None:
        nobody = {**self.answered(1, "good"), "completed_by": None}
        (item,) = read(self.write(tmp_path, nobody))
        assert answers(item) == [(None, "good")]
        assert isinstance(item, FoundItem)
        assert (plain_class_of(item), answers_of(item)) == ("good", [])
        (item,) = read(self.write(tmp_path, nobody, self.answered(2, "bad")))
        assert isinstance(item, FoundItem)
        assert sorted(answers_of(item)) == [("2", "bad"), ("unknown", "good")]

    @pytest.mark.parametrize("suffix", [".json", "-min.json", ".csv"])
    def test_its_own_exports_say_what_each_of_three_people_said_last(self, suffix: str) -> None:
        people = {"1": "ada", "3": "bob", "4": "eve"}
        found = read(EXPORTS / f"label-studio{suffix}", annotators=people)
        assert len(found) == 30
        said = {item.text: dict(answers(item)) for item in found if isinstance(item, FoundItem)}
        for i in range(30):
            right, wrong = ("good", "bad") if i % 2 == 0 else ("bad", "good")
            expected = {"ada": right} if i < 20 else {}
            expected |= {"bob": wrong if i in (3, 4) else right} if i < 16 else {}
            expected |= {"eve": right if i in (0, 1, 2, 4) else wrong} if i < 7 else {}
            assert said[f"review {i}, naïve"] == expected, i
        n_skips = sum(item.n_skips for item in found if isinstance(item, FoundItem))
        assert n_skips == (suffix == ".json")  # the others do not say

    def test_skips_are_counted_and_are_no_answer(self, tmp_path: Path) -> None:
        (item,) = read(self.write(tmp_path, self.answered(1, "good", was_cancelled=True)))
        assert answers(item) == []
        assert isinstance(item, FoundItem)
        assert item.n_skips == 1

    def test_data_is_metadata_and_several_choices_are_refused(self, tmp_path: Path) -> None:
        (item,) = read(self.write(tmp_path, self.answered(1, "good")))
        assert isinstance(item, FoundItem)
        assert (item.external_id, item.metadata) == ("1", {"source": "web"})
        both = self.answered(1, "good")
        both["result"][0]["value"]["choices"] = ["good", "bad"]
        (refused,) = read(self.write(tmp_path, both))
        assert isinstance(refused, Refused)

    def test_the_question_is_named_where_several_columns_could_be_it(self, tmp_path: Path) -> None:
        rows = [{**row, "origin": "web"} for row in label_studio_min_rows()]
        path = tmp_path / "min.json"
        path.write_text(json.dumps(rows))
        with pytest.raises(FileRefused, match="--map COLUMN=class"):
            read(path)
        first, *_ = read(path, columns={"mood": "class"})
        assert answers(first) == [("1", "good")]


class TestProdigy:
    def test_a_rejected_label_is_no_class_and_stays_out_as_an_ignored_one(
        self, tmp_path: Path
    ) -> None:
        rows = [
            {"text": t, "label": "good", "answer": a, "_input_hash": i, "_annotator_id": "ada"}
            for i, (t, a) in enumerate([("a", "accept"), ("b", "reject"), ("c", "ignore")])
        ]
        (tmp_path / "x.jsonl").write_bytes(lines(rows))
        found = read(tmp_path / "x.jsonl")
        assert [answers(item) for item in found] == [[("ada", "good")], [], []]
        assert [item.n_skips for item in found if isinstance(item, FoundItem)] == [0, 1, 1]

    def test_two_binary_questions_about_one_text_are_one_item(self, tmp_path: Path) -> None:
        rows = [
            {"text": "a", "label": label, "answer": answer, "_input_hash": 5}
            for label, answer in (("bad", "reject"), ("good", "accept"))
        ]
        (tmp_path / "x.jsonl").write_bytes(lines(rows))
        (item,) = read(tmp_path / "x.jsonl")
        assert answers(item) == [(None, "good")]


class TestDoccano:
    def test_files_of_several_annotators_are_put_together(self, tmp_path: Path) -> None:
        def row(name: str) -> bytes:
            return lines([{"id": 1, "text": "a", "label": [name], "Comments": []}])

        path = zipped(tmp_path / "x.zip", {"ada.jsonl": row("x"), "bob.jsonl": row("y")})
        (item,) = read(path)
        assert answers(item) == [("ada", "x"), ("bob", "y")]

    def test_spans_are_no_class(self, tmp_path: Path) -> None:
        rows = [{"id": 1, "text": "a b", "label": [[0, 1, "PER"]], "Comments": []}]
        (tmp_path / "x.jsonl").write_bytes(lines(rows))
        (item,) = read(tmp_path / "x.jsonl")
        assert answers(item) == []


class TestArgilla:
    def test_only_what_was_submitted_counts(self, tmp_path: Path) -> None:
        path = argilla(tmp_path)
        rows = json.loads(path.read_text())
        rows[0]["mood.responses"] = ["good", "bad", "bad"]
        rows[0]["mood.responses.users"] = ["u1", "u2", "u3"]
        rows[0]["mood.responses.status"] = ["submitted", "discarded", "draft"]
        path.write_text(json.dumps(rows))
        first = read(path)[0]
        assert answers(first) == [("u1", "good")]
        assert isinstance(first, FoundItem)
        assert (first.n_skips, first.metadata) == (1, {})

    def nested(self, folder: Path, answers: list[dict[str, Any]]) -> Path:
        """Return records as `records.to_json` of argilla 2.8.0 writes them."""
        rows = [
            {
                "id": f"r-{i}",
                "fields": {"text": f"text {i}"},
                "metadata": {"page": i},
                "suggestions": {"mood": {"value": "good", "score": 0.7, "agent": "m"}},
                "responses": responses,
                "vectors": {},
                "status": "pending",
                "_server_id": None,
            }
            for i, responses in enumerate(answers)
        ]
        (folder / "records.json").write_text(json.dumps(rows))
        return folder / "records.json"

    def test_records_of_to_json_are_read_though_only_late_ones_are_answered(
        self, tmp_path: Path
    ) -> None:
        late = {"mood": [{"value": "good", "user_id": "u1"}, {"value": "bad", "user_id": "u2"}]}
        found = read(self.nested(tmp_path, [{}] * 30 + [late]))
        assert [answers(item) for item in found[:30]] == [[]] * 30
        assert answers(found[30]) == [("u1", "good"), ("u2", "bad")]
        last = found[30]
        assert isinstance(last, FoundItem)
        assert (last.external_id, last.text, last.metadata) == ("r-30", "text 30", {"page": 30})

    def test_of_several_questions_the_one_of_the_classes_is_named(self, tmp_path: Path) -> None:
        said = {"mood": [{"value": "good", "user_id": "u1"}], "why": [{"value": "It is."}]}
        path = self.nested(tmp_path, [said, {}])
        with pytest.raises(FileRefused, match=r"several questions \(mood, why\)"):
            read(path)
        assert answers(read(path, columns={"mood": "class"})[0]) == [("u1", "good")]

    def test_records_that_nobody_has_answered_are_items_without_classes(
        self, tmp_path: Path
    ) -> None:
        found = read(self.nested(tmp_path, [{}, {}]))
        assert [answers(item) for item in found] == [[], []]


class TestOthers:
    def test_cvat_without_images_names_where_they_lie(self, tmp_path: Path) -> None:
        xml = (
            '<annotations><image id="0" name="s3://b/a.png" width="4" height="4"></image>'
            '<image id="1" name="b.png"><tag label="x"/><tag label="y"/></image></annotations>'
        )
        (tmp_path / "annotations.xml").write_text(xml)
        item, refused = read(tmp_path / "annotations.xml")
        assert isinstance(item, FoundItem)
        assert (item.image_uri, item.labels) == ("s3://b/a.png", ())
        assert isinstance(refused, Refused)

    def test_xml_that_declares_entities_is_refused(self, tmp_path: Path) -> None:
        bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><annotations><image name="&a;"/></annotations>'
        (tmp_path / "annotations.xml").write_text(bomb)
        with pytest.raises(FileRefused, match="entities"):
            read(tmp_path / "annotations.xml")

    def test_webdataset_json_says_class_and_metadata(self, tmp_path: Path) -> None:
        files = {
            "a/0.jpg": png("red"),
            "a/0.txt": b"A red one",
            "a/0.json": b'{"label": "warm", "width": 4}',
            "a/1.jpg": png("red"),
            "a/1.txt": b"warm",
        }
        path = tarred(tmp_path / "x.tar", files)
        first, second = read(path)
        assert (answers(first), answers(second)) == ([(None, "warm")], [])
        assert isinstance(first, FoundItem)
        assert first.metadata == {"width": 4, "text": "A red one"}
        assert answers(read(path, columns={"txt": "class"})[1]) == [(None, "warm")]

    def test_fasttext_of_several_labels_is_refused_by_line(self, tmp_path: Path) -> None:
        (tmp_path / "x.txt").write_text("__label__a one\n\n__label__a __label__b two\nthree\n")
        first, refused, last = read(tmp_path / "x.txt")
        assert answers(first) == [(None, "a")]
        assert isinstance(refused, Refused)
        assert refused.line == 3
        assert (answers(last), last.line) == ([], 4)

    def test_json_lines_end_at_line_feeds_only(self, tmp_path: Path) -> None:
        (tmp_path / "x.jsonl").write_bytes(b'{"text": "a\xe2\x80\xa8b"}\r\n\nnope\n{"text": "c"}')
        first, refused, last = read(tmp_path / "x.jsonl")
        assert isinstance(first, FoundItem)
        assert first.text == "a\u2028b"
        assert isinstance(refused, Refused)
        assert (refused.line, last.line) == (3, 4)

    def test_a_large_array_is_read_piece_by_piece(self, tmp_path: Path) -> None:
        rows = [{"id": i, "text": f"{i} " + "x" * 1000} for i in range(2000)]
        (tmp_path / "x.json").write_text(json.dumps(rows, indent=2))
        found = read(tmp_path / "x.json")
        assert [item.external_id for item in found] == [str(i) for i in range(2000)]
        assert [item.line for item in found] == [2 + 4 * i for i in range(2000)]


class TestTables:
    """Tables of our own export, and with a line for each answer."""

    def test_a_line_an_answer(self, tmp_path: Path) -> None:
        rows = [
            "id,text,class,annotator",
            "1,x,a,ada",
            "1,x,b,bob",
            "1,x,b,ada",
            "2,y,a,",
            "3,z,,ada",
        ]
        (tmp_path / "x.csv").write_text("\n".join(rows))
        found = read(tmp_path / "x.csv")
        assert [sorted(answers(item), key=str) for item in found] == [
            [("ada", "b"), ("bob", "b")], [(None, "a")], [],
        ]  # fmt: skip

    def test_a_column_an_annotator(self, tmp_path: Path) -> None:
        rows = [
            "external_id,class,labels,text,label:ada,label:bob eve",
            "1,a,[],x,a,",
            '2,b,[],y,"=b",b',
        ]
        (tmp_path / "x.csv").write_text("\n".join(rows))
        first, second = read(tmp_path / "x.csv")
        assert (answers(first), answers(second)) == (
            [("ada", "a")], [("ada", "=b"), ("bob eve", "b")],
        )  # fmt: skip
        assert isinstance(first, FoundItem)
        assert first.metadata == {}

    @pytest.mark.parametrize("kind", ["jsonl", "csv"])
    def test_a_list_of_answers(self, tmp_path: Path, kind: str) -> None:
        given = [
            {"annotator": "ada", "class": "a", "is_excluded": False},
            {"annotator": "bob", "class": "b", "is_excluded": True},
            {"annotator": "eve", "class": "b", "is_excluded": False},
        ]
        row = {"external_id": "1", "text": "x", "class": "a", "labels": given}
        path = tmp_path / f"x.{kind}"
        if kind == "jsonl":
            path.write_bytes(lines([row, {**row, "external_id": "2", "labels": []}]))
        else:
            cell = json.dumps(given).replace('"', '""')
            path.write_text(f'external_id,text,class,labels\n1,x,a,"{cell}"\n2,x,a,[]\n')
        first, second = read(path)
        assert answers(first) == [("ada", "a"), ("eve", "b")]
        assert answers(second) == [(None, "a")]
        assert isinstance(first, FoundItem)
        assert first.metadata == {}

    def test_a_users_name_is_no_annotator(self, tmp_path: Path) -> None:
        (tmp_path / "x.csv").write_text("text,label,username\nfine,pos,somebody\n")
        (item,) = read(tmp_path / "x.csv")
        assert answers(item) == [(None, "pos")]

    def test_two_names_may_be_one_person(self, tmp_path: Path) -> None:
        rows = ["id,text,class,annotator", "1,x,a,ada", "1,x,b,Ada@x.org"]
        (tmp_path / "x.csv").write_text("\n".join(rows))
        (item,) = read(tmp_path / "x.csv", annotators={"Ada@x.org": "ada"})
        assert answers(item) == [("ada", "b")]


class TestDatumaro:
    """What Datumaro 1.13 writes: eight images, five of `train`, the last two without a class."""

    @pytest.mark.parametrize(
        ("name", "format_"),
        [("cvat", "cvat"), ("imagenet", "images"), ("imagenet-lists", "imagenet"),
         ("imagenet-splits", "images")],
    )  # fmt: skip
    def test_classes_and_splits_are_read(self, name: str, format_: str) -> None:
        with open_source(EXPORTS / f"datumaro-{name}.zip") as source:
            assert source.format.name == format_
            found = {}
            for item in source.read():
                assert isinstance(item, FoundItem), item
                assert item.image is not None
                assert item.image().startswith(b"\x89PNG")
                found[Path(item.external_id).name] = (answers(item), item.split)
        classes = {f"pic {i}.png": [(None, ("red", "blue")[i % 2])] for i in range(6)}
        expected = classes | {"pic 6.png": [], "pic 7.png": []}
        assert {key: given for key, (given, _) in found.items()} == expected
        if name != "imagenet":  # which has no splits
            n_train = [key for key, (_, split) in found.items() if split == "pool"]
            assert sorted(n_train) == [f"pic {i}.png" for i in range(5)]
            assert {split for _, split in found.values()} == {"pool", "evaluation"}
