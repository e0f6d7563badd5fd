"""Labels by annotators that come with an import: kept by annotator, resolved by consensus."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.db.session import transaction
from app.domain.names import MAX_NAME
from app.services import imported_labels
from svp_client import Client
from tests.app.conftest import Start, png
from tests.app.items import IMAGES
from tests.loop import give, poll

pytestmark = pytest.mark.usefixtures("promises")
Given = dict[str, str]  # class by annotator


@pytest.fixture
def project(start: Start) -> int:
    """Items p-0 to p-3 are the batch, p-4 and p-5 its reserve; the rest of 12 is the pool."""
    return start(
        n_items=12,
        classes=["a", "b", "c"],
        initial_budget=4,
        round_budget=4,
        total_budget=8,
        reserve=2,
    )


def brought(
    admin: Client, project: int, items: dict[str, Given], **more: Any
) -> tuple[tuple[int, ...], list[str]]:
    """Import labels by annotator of items by external id; return (counts, codes of refusals)."""
    lines = [
        {
            "external_id": key,
            "text": f"text {key}",
            "labels": [{"annotator": who, "class": name} for who, name in given.items()],
            **more,
        }
        for key, given in items.items()
    ]
    result = admin.import_items(project, lines)
    counts = (result["n_created"], result["n_updated"], result["n_known"], result["n_labels"])
    return counts, [error["code"] for error in result["errors"]]


def exported(admin: Client, project: int, **filters: Any) -> dict[str, Any]:
    return {row["external_id"]: row for row in admin.export_labels(project, **filters)}


def labels_of(row: Any) -> Given:
    return {given["annotator"]: given["class"] for given in row["labels"]}


def id_of(admin: Client, project: int, external_id: str) -> int:
    path = f"/projects/{project}/items"
    (item,) = admin.request("GET", path, params={"external_id": external_id}).json()["items"]
    return int(item["item_id"])


def state_of(admin: Client, project: int, external_id: str) -> Any:
    return admin.item_history(project, id_of(admin, project, external_id))["item"]


AGREED = {"n-0": {"ada": "a", "bob": "a", "eve": "b"}, "n-1": {"ada": "b", "bob": "b"}}
TIE = {"n-2": {"ada": "a", "bob": "b"}}


class TestNewItems:
    def test_the_majority_resolves_them_outside_the_budget(
        self, admin: Client, project: int
    ) -> None:
        assert brought(admin, project, AGREED) == ((2, 0, 0, 5), [])
        rows = exported(admin, project)
        assert {key: (row["class"], row["source"], row["method"]) for key, row in rows.items()} == {
            "n-0": ("a", "import", "majority"),
            "n-1": ("b", "import", "majority"),
        }
        assert [rows[key]["agreement"] for key in AGREED] == [pytest.approx(2 / 3), 1.0]
        assert {key: labels_of(row) for key, row in rows.items()} == AGREED
        found = admin.project(project)
        assert (found["n_imported"], found["n_labeled"], found["n_pool"]) == (2, 0, 14)

    def test_a_tie_leaves_the_item_in_the_pool_with_its_answers(
        self, admin: Client, project: int
    ) -> None:
        assert brought(admin, project, TIE) == ((1, 0, 0, 2), [])
        assert exported(admin, project) == {}
        item = state_of(admin, project, "n-2")
        assert (item["state"], item["n_labels"], item["is_disputed"]) == ("unlabeled", 2, True)

    def test_less_agreement_than_the_project_wants_is_none(
        self, admin: Client, start: Start
    ) -> None:
        project = start(classes=["a", "b"], annotation={"min_agreement": 0.7})
        brought(admin, project, AGREED)
        assert list(exported(admin, project)) == ["n-1"]

    def test_history_agreement_and_annotators_show_them(self, admin: Client, project: int) -> None:
        brought(admin, project, AGREED | TIE)
        history = admin.item_history(project, id_of(admin, project, "n-0"))["labels"]
        assert [(x["annotator"], x["class"], x["is_imported"]) for x in history] == [
            ("ada", "a", True), ("bob", "a", True), ("eve", "b", True),
        ]  # fmt: skip
        agreement = admin.agreement(project)
        assert (agreement["project"]["n_items"], agreement["project"]["n_labels"]) == (3, 7)
        assert agreement["rounds"] == []
        pairs = {(p["first"], p["second"]): p["n_items"] for p in agreement["pairs"]}
        assert pairs == {("ada", "bob"): 3, ("ada", "eve"): 1, ("bob", "eve"): 1}
        work = {each["name"]: each["n_labels"] for each in admin.annotators(project)}
        assert work == {"ada": 3, "bob": 3, "eve": 1}

    def test_exports_have_a_column_an_annotator_and_a_filter(
        self, admin: Client, project: int
    ) -> None:
        brought(admin, project, AGREED)
        path = f"/projects/{project}/labels"
        csv = admin.request("GET", path, params={"format": "csv", "annotators": True}).text
        header, first, second = (line.split(",") for line in csv.splitlines())
        assert header[-3:] == ["label:ada", "label:bob", "label:eve"]
        assert (first[-3:], second[-3:]) == (["a", "a", "b"], ["b", "b", ""])
        assert list(exported(admin, project, annotator="eve")) == ["n-0"]

    def test_evaluation_items_are_of_the_majoritys_class(self, admin: Client, project: int) -> None:
        counts, codes = brought(admin, project, AGREED | TIE, split="evaluation")
        assert (counts, codes) == ((2, 0, 0, 5), ["evaluation_without_class"])
        assert brought(admin, project, AGREED, split="evaluation") == ((0, 0, 2, 0), [])
        assert state_of(admin, project, "n-0")["class"] == "a"
        assert admin.project(project)["n_imported"] == 0

    def test_images_may_come_with_them(self, admin: Client) -> None:
        images = admin.create_project(**{**IMAGES, "name": "images"})["id"]
        first, other = admin.project(images)["classes"][:2]
        given = [{"annotator": who, "class": first} for who in ("ada", "bob")]
        about = {"x.png": {"labels": [*given, {"annotator": "eve", "class": other}]}}
        assert admin.upload_images(images, [("x.png", png())], about)["n_labels"] == 3
        assert exported(admin, images)["x.png"]["class"] == first


class TestNames:
    def test_an_annotator_is_known_by_the_normalised_name(
        self, admin: Client, people: list[Client], project: int
    ) -> None:
        give(people[0], project, poll(people[0], project, 1), "a")
        (own,) = (each["name"] for each in admin.annotators(project))
        names = {f"  {own} ": "a", "e\u0301va": "b", "\u00e9va": "a"}  # two ways to write one
        brought(admin, project, {"n-0": names})
        work = {each["name"]: each["n_labels"] for each in admin.annotators(project)}
        assert work == {own: 2, "\u00e9va": 1}
        row = exported(admin, project)["n-0"]
        assert labels_of(row) == {own: "a", "\u00e9va": "a"}  # the last of hers

    @pytest.mark.parametrize("name", ["", "  ", "x" * (MAX_NAME + 1), "a\0b", "a\u202eb"])
    def test_what_is_no_name_is_refused_by_its_line(
        self, admin: Client, project: int, name: str
    ) -> None:
        found = brought(admin, project, {"n-0": {"ada": "a", name: "a"}, "n-1": {"ada": "b"}})
        assert found == ((1, 0, 0, 1), ["annotator_invalid"])

    def test_lines_must_say_one_thing(self, admin: Client, project: int) -> None:
        assert brought(admin, project, AGREED, **{"class": "a"})[1] == ["class_and_labels"] * 2
        many = {f"person {i}": "a" for i in range(1001)}
        assert brought(admin, project, {"n-0": many})[1] == ["too_many_labels"]
        assert brought(admin, project, {"n-0": {"ada": "zebra"}})[1] == ["unknown_class"]
        line = {"external_id": "n-0", "text": "t", "labels": ["a"]}
        (error,) = admin.import_items(project, [line])["errors"]
        assert error["code"] == "line_invalid"
        assert "one class alone goes into class" in error["detail"]

    def test_a_column_of_other_names_does_not_make_annotators_without_end(
        self, admin: Client, project: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(imported_labels, "MAX_ANNOTATORS", 3)
        assert brought(admin, project, AGREED)[1] == []
        found = brought(admin, project, {"n-2": {"ivy": "a"}, "n-3": {"ada": "a"}})
        assert found == ((1, 0, 0, 1), ["too_many_annotators"])


class TestKnownItems:
    def test_importing_again_changes_nothing(self, admin: Client, project: int) -> None:
        brought(admin, project, AGREED | TIE)
        before = exported(admin, project)
        assert brought(admin, project, AGREED | TIE) == ((0, 0, 3, 0), [])
        assert exported(admin, project) == before
        assert admin.project(project)["n_imported"] == 2
        lines = [{"external_id": key, "text": f"text {key}"} for key in AGREED]
        assert admin.import_items(project, lines)["n_known"] == 2

    def test_more_answers_are_added_and_decide_anew(self, admin: Client, project: int) -> None:
        brought(admin, project, AGREED | TIE)
        more = {"n-1": {"ivy": "a", "joe": "a"}, "n-2": {"ada": "a", "ivy": "a"}}
        assert brought(admin, project, more) == ((0, 2, 0, 3), [])
        rows = exported(admin, project)
        assert {key: row["class"] for key, row in rows.items()} == {"n-0": "a", "n-2": "a"}
        assert labels_of(rows["n-2"]) == {"ada": "a", "bob": "b", "ivy": "a"}
        assert state_of(admin, project, "n-1")["state"] == "unlabeled"  # 2 say b, 2 say a
        assert admin.project(project)["n_imported"] == 2

    def test_a_line_an_answer_makes_one_item_wherever_the_lines_stand(
        self, admin: Client, project: int
    ) -> None:
        pairs = [("x", "ada", "a"), ("y", "ada", "b"), ("x", "bob", "b"), ("x", "eve", "b")]
        lines = [
            {"external_id": key, "text": key, "labels": [{"annotator": who, "class": name}]}
            for key, who, name in pairs
        ]
        result = admin.import_items(project, lines)
        assert (result["n_created"], result["n_updated"], result["n_labels"]) == (2, 2, 4)
        assert {k: r["class"] for k, r in exported(admin, project).items()} == {"x": "b", "y": "b"}

    def test_another_answer_of_an_annotator_is_refused(self, admin: Client, project: int) -> None:
        brought(admin, project, TIE)
        found = brought(admin, project, {"n-2": {"ada": "b", "ivy": "b"}})
        assert found == ((0, 0, 0, 0), ["label_conflict"])

    def test_what_waits_in_a_batch_leaves_it_once_it_is_resolved(
        self, admin: Client, people: list[Client], project: int
    ) -> None:
        brought(admin, project, {"p-0": {"x": "a", "y": "a"}, "p-1": {"x": "a", "y": "b"}})
        names = [i["external_id"] for i in people[0].next_batch(project, 10)["items"]]
        assert names == ["p-1", "p-2", "p-3", "p-4", "p-5"][: len(names)]
        assert len(names) >= 4

    def test_what_annotators_hold_labeled_or_skipped_is_refused(
        self, admin: Client, people: list[Client], project: int
    ) -> None:
        items = poll(people[0], project, 3)
        give(people[0], project, [items[0]], "a")
        people[0].skip(project, [items[1]], "other")
        given = {f"p-{i}": {"x": "b"} for i in range(3)}
        assert brought(admin, project, given) == (
            (0, 0, 0, 0),
            ["already_labeled", "already_skipped", "in_work"],
        )

    def test_our_own_export_is_known_here(
        self, admin: Client, people: list[Client], project: int
    ) -> None:
        brought(admin, project, AGREED)
        give(people[0], project, poll(people[0], project, 2), "a")
        given = {key: labels_of(row) for key, row in exported(admin, project).items()}
        assert len(given) == 4
        assert brought(admin, project, given) == ((0, 0, 4, 0), [])

    def test_a_class_imported_before_is_confirmed_or_kept(
        self, admin: Client, project: int
    ) -> None:
        lines = [{"external_id": k, "text": f"text {k}", "class": "a"} for k in ("n-0", "n-1")]
        admin.import_items(project, lines)
        assert brought(admin, project, AGREED) == ((0, 1, 0, 3), ["already_labeled"])
        rows = exported(admin, project)
        assert [(rows[k]["class"], rows[k]["method"]) for k in AGREED] == [
            ("a", "majority"), ("a", "imported"),
        ]  # fmt: skip

    def test_gold_stays_as_it_is(self, admin: Client, project: int) -> None:
        brought(admin, project, AGREED)
        admin.set_gold(project, {"n-0": "a"})
        assert brought(admin, project, {"n-0": {"ivy": "b"}})[1] == ["is_gold"]
        assert brought(admin, project, AGREED) == ((0, 0, 2, 0), [])


class TestAfterwards:
    def test_a_tie_is_decided_by_who_labels_it_here(
        self, admin: Client, people: list[Client], project: int
    ) -> None:
        name = self._own(admin, people[0], project)["name"]
        brought(admin, project, {"p-1": {name: "a", "bob": "b"}})
        items = poll(people[0], project, 1)
        give(people[0], project, items, "b")
        row = exported(admin, project)["p-1"]
        assert (row["class"], row["source"], row["agreement"]) == ("b", "annotator", 1.0)
        assert [(x["annotator"], x["class"], x["is_imported"]) for x in row["labels"]] == [
            (name, "a", True), ("bob", "b", True), (name, "b", False),
        ]  # fmt: skip
        assert people[0].withdraw_labels(project, items)[0]["status"] == "withdrawn"
        assert state_of(admin, project, "p-1")["n_labels"] == 2

    @staticmethod
    def _own(admin: Client, client: Client, project: int) -> Any:
        give(client, project, poll(client, project, 1), "a")
        return admin.annotators(project)[0]

    def test_merged_classes_end_and_begin_disputes(self, admin: Client, project: int) -> None:
        given = {"n-0": {"ada": "a", "bob": "b"}, "n-1": {"ada": "a", "bob": "c", "eve": "c"}}
        brought(admin, project, given | {"n-2": {"ada": "a", "bob": "b", "eve": "c", "joe": "c"}})
        assert {k: r["class"] for k, r in exported(admin, project).items()} == {
            "n-1": "c", "n-2": "c",
        }  # fmt: skip
        done = admin.change_classes(project, kind="merge", name="b", to="a")
        assert done["n_labels"] == 2
        rows = exported(admin, project)
        assert {k: (r["class"], r["agreement"]) for k, r in rows.items()} == {
            "n-0": ("a", 1.0),
            "n-1": ("c", pytest.approx(2 / 3)),
        }
        assert labels_of(rows["n-0"]) == {"ada": "a", "bob": "a"}
        assert admin.project(project)["n_imported"] == 2

    def test_erasing_leaves_no_answer(
        self, admin: Client, project: int, session_factory: sessionmaker[Session]
    ) -> None:
        brought(admin, project, AGREED | TIE)
        admin.erase_items(project, [id_of(admin, project, key) for key in ("n-0", "n-2")])
        with transaction(session_factory) as session:
            assert session.scalar(text("SELECT count(*) FROM labels")) == 2
        assert admin.project(project)["n_imported"] == 1

    def test_a_correction_withdraws_them(self, admin: Client, project: int) -> None:
        brought(admin, project, AGREED)
        item = id_of(admin, project, "n-0")
        admin.correct_item(project, item, text="other")
        assert list(exported(admin, project)) == ["n-1"]
        history = admin.item_history(project, item)
        assert len(history["labels"]) == 3
        assert all(label["withdrawn_at"] for label in history["labels"])
        assert history["item"]["state"] == "unlabeled"

    def test_those_of_a_distrusted_annotator_count_no_more_until_cleared(
        self, admin: Client, project: int
    ) -> None:
        brought(admin, project, {"n-0": {"ada": "a", "bob": "b", "eve": "b"}, "n-1": {"eve": "c"}})
        admin.pause_annotator(project, "eve", "x", excludes_labels=True)
        assert exported(admin, project) == {}
        admin.resume_annotator(project, "eve")
        admin.clear_flags(project, "eve")
        assert {k: r["class"] for k, r in exported(admin, project).items()} == {
            "n-0": "b", "n-1": "c",
        }  # fmt: skip

    def test_the_pace_of_labeling_and_an_annotators_progress_leave_them_out(
        self, admin: Client, people: list[Client], project: int
    ) -> None:
        own = self._own(admin, people[0], project)["name"]
        before = admin.overview(project)["pace"]
        brought(admin, project, {f"n-{i}": {own: "a"} for i in range(50)})
        assert admin.overview(project)["pace"]["labels_today"] == before["labels_today"] == 1
        shown = people[0].request("GET", f"/projects/{project}").json()
        assert shown["progress"]["n_labeled"] == 1
