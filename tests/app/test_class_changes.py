"""Classes change in mid-project; a dry run says before what that does."""

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.db.session import transaction
from svp_client import Client, ClientError
from tests.app.conftest import MakeClient
from tests.loop import events, give, poll

Start = Callable[..., int]
pytestmark = pytest.mark.usefixtures("promises")


@pytest.fixture
def project(admin: Client, start: Start) -> int:
    """A project of the classes a, b and c in round 0, with an imported gold item of class a."""
    project = start(n_gold=1, classes=["a", "b", "c"], total_budget=6)
    admin.set_gold(project, {"gold-0": "a"})
    line = {"external_id": "e", "text": "e", "split": "evaluation", "class": "a"}
    admin.import_items(project, [line])
    return project


def names(admin: Client, project: int) -> list[str]:
    """Return the names that labels may have, as an annotator sees them."""
    return [c["name"] for c in admin.project(project)["class_list"] if not c["is_retired"]]


def answers(client: Client, project: int, *classes: str) -> list[str]:
    """Label one item after the other; return the code or the status of each."""
    said = []
    for name in classes:
        said += give(client, project, poll(client, project, 1), name)
    return said


class TestAdd:
    def test_labels_may_name_it_at_once(
        self, admin: Client, people: list[Client], project: int
    ) -> None:
        done = admin.change_classes(project, kind="add", name=" d ", hint="none of the others")
        assert [c["name"] for c in done["classes"]] == ["a", "b", "c", "d"]
        assert answers(people[0], project, "d") == ["created"]
        shown = people[0].request("GET", f"/projects/{project}").json()
        assert shown["class_hints"] == {"d": "none of the others"}

    @pytest.mark.parametrize("name", ["a", " a "])
    def test_a_name_is_given_once(self, admin: Client, project: int, name: str) -> None:
        with pytest.raises(ClientError, match="take another name"):
            admin.change_classes(project, kind="add", name=name)


class TestRename:
    def test_labels_keep_their_class_under_its_new_name(
        self, admin: Client, people: list[Client], project: int
    ) -> None:
        answers(people[0], project, "b")
        admin.change_classes(project, kind="rename", name="b", to="better")
        assert names(admin, project) == ["a", "better", "c"]
        assert "better" in [row["class"] for row in admin.export_labels(project)]
        assert answers(people[0], project, "b", "better") == ["unknown_class", "created"]


class TestOrderAndHints:
    def test_annotators_see_them(
        self, admin: Client, project: int, make_client: MakeClient
    ) -> None:
        admin.change_classes(project, kind="reorder", names=["c", "a", "b"])
        admin.change_classes(project, kind="describe", name="c", hint="third")
        shown = make_client("ada").project(project)
        assert shown["classes"] == ["c", "a", "b"]
        assert admin.project(project)["classes"] == ["a", "b", "c"]
        admin.change_classes(project, kind="describe", name="c", hint=" ")
        assert admin.project(project)["class_list"][0]["hint"] == ""

    @pytest.mark.parametrize("order", [["a", "b"], ["a", "b", "c", "c"], ["a", "b", "d"]])
    def test_each_class_stands_in_it_once(
        self, admin: Client, project: int, order: list[str]
    ) -> None:
        with pytest.raises(ClientError, match="each class once"):
            admin.change_classes(project, kind="reorder", names=order)


class TestMerge:
    def test_a_dry_run_tells_what_it_does_and_does_nothing(
        self, admin: Client, people: list[Client], project: int
    ) -> None:
        answers(people[0], project, "a", "b")
        before = admin.project(project)
        told = admin.change_classes(project, kind="merge", name="a", to="b", dry_run=True)
        assert told["is_dry_run"]
        counts = {key: told[key] for key in told if key.startswith("n_")}  # type: ignore[literal-required]
        assert counts == {
            "n_labels": 1,
            "n_labeled": 1,
            "n_imported": 1,
            "n_evaluation": 1,
            "n_gold": 1,
            "n_models": 0,
        }
        assert "cannot be undone" in " ".join(told["sentences"])
        assert admin.project(project) == before
        assert events(admin, project, "class.merged") == []

    def test_everything_of_the_class_is_of_the_other(
        self,
        admin: Client,
        people: list[Client],
        project: int,
        session_factory: sessionmaker[Session],
    ) -> None:
        answers(people[0], project, "a", "b")
        with transaction(session_factory) as session:
            session.execute(
                text(
                    "INSERT INTO models (project_id, role, name, recipe, recipe_hash, weights_hash,"
                    " n_labeled, metrics, seconds, provenance, label_version)"
                    " VALUES (:p, 'proxy', 'm', '{}', '', '', 2, '{}', '{}', '{}', 99)"
                ).bindparams(p=project)
            )
        done = admin.change_classes(project, kind="merge", name="a", to="b")
        assert done["n_models"] == 1
        (model,) = admin.models(project)
        assert model["stale"]
        assert names(admin, project) == ["b", "c"]
        assert {row["class"] for row in admin.export_labels(project)} == {"b"}
        assert [g["class"] for g in admin.gold(project)] == ["b"]
        assert [i["class"] for i in admin.items(project, "evaluation")] == ["b"]
        assert answers(people[0], project, "a") == ["created"]  # who says a means b
        assert {row["class"] for row in admin.export_labels(project)} == {"b"}

    def test_annotators_who_disagreed_agree_by_now(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start(
            classes=["a", "b", "c"], labels_per_item=2, annotation={"max_labels_per_item": 3}
        )
        (item,) = poll(people[0], project, 1)
        for person, name in zip(people, "ab", strict=False):
            poll(person, project, 9)
            give(person, project, [item], name)
        assert list(admin.export_labels(project)) == []
        admin.change_classes(project, kind="merge", name="a", to="b")
        assert [row["class"] for row in admin.export_labels(project)] == ["b"]

    def test_two_classes_stay(self, admin: Client, project: int) -> None:
        admin.change_classes(project, kind="merge", name="a", to="b")
        for kind in ("merge", "retire"):
            with pytest.raises(ClientError, match="needs two classes"):
                admin.change_classes(project, kind=kind, name="c", to="b")
        with pytest.raises(ClientError, match="merged before"):
            admin.change_classes(project, kind="merge", name="a", to="c")


class TestRetire:
    def test_its_labels_stay_and_no_more_are_taken(
        self, admin: Client, people: list[Client], project: int
    ) -> None:
        answers(people[0], project, "b")
        told = admin.change_classes(project, kind="retire", name="b")
        assert told["n_labels"] == 1
        assert answers(people[0], project, "b") == ["unknown_class"]
        assert "b" in {row["class"] for row in admin.export_labels(project)}
        late = [{"external_id": "late", "text": "late", "class": "b"}]
        assert admin.import_items(project, late)["errors"][0]["code"] == "unknown_class"


def test_an_ended_project_keeps_its_classes(admin: Client, project: int) -> None:
    admin.cancel(project)
    with pytest.raises(ClientError) as refusal:
        admin.change_classes(project, kind="add", name="d")
    assert refusal.value.code == "project_not_accepting"


def test_an_unknown_class_is_named(admin: Client, project: int) -> None:
    with pytest.raises(ClientError, match="use one of") as refusal:
        admin.change_classes(project, kind="rename", name="x", to="y")
    assert refusal.value.status == 422
