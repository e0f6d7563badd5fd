"""A lead decides labels: open, disputed and labeled items, revisions, and what is refused."""

import pytest

from svp_client import Client, ClientError
from tests.app.conftest import Start
from tests.loop import events, give, poll

pytestmark = pytest.mark.usefixtures("promises")


def decide(admin: Client, project: int, item: int, name: str) -> str:
    (outcome,) = admin.decide(project, {item: name})
    return outcome["code"] or outcome["status"]


def label_of(admin: Client, project: int, item: int) -> tuple[str | None, str | None]:
    found = admin.item_history(project, item)["item"]
    return found["label"], found["method"]


class TestDecide:
    def test_a_label_is_changed_and_the_annotators_is_kept(
        self, admin: Client, start: Start, people: list[Client]
    ) -> None:
        project = start()
        (item,) = poll(people[0], project, 1)
        give(people[0], project, [item], "a")
        assert decide(admin, project, item, "b") == "created"
        assert label_of(admin, project, item) == ("b", "adjudicated")
        given = admin.label_history(project, item)
        assert [(x["annotator"], x["class"], x["is_adjudication"]) for x in given] == [
            ("ada", "a", False),
            ("root", "b", True),
        ]
        assert events(admin, project, "label.decided")[0]["class"] == "b"

    def test_a_disputed_item_is_settled_and_waits_for_nobody(
        self, admin: Client, start: Start, people: list[Client]
    ) -> None:
        project = start(
            initial_budget=1,
            reserve=0,
            labels_per_item=2,
            annotation={"adjudicators": ["root"], "min_agreement": 1.0},
        )
        (item,) = poll(people[0], project, 1)
        give(people[0], project, [item], "a")
        poll(people[1], project, 1)
        give(people[1], project, [item], "b")
        assert label_of(admin, project, item) == (None, None)
        assert decide(admin, project, item, "b") == "created"
        assert label_of(admin, project, item) == ("b", "adjudicated")
        assert admin.item_history(project, item)["selections"][0]["slots"] == []
        assert admin.project(project)["n_labeled"] == 1

    def test_an_item_that_somebody_holds_is_decided(
        self, admin: Client, start: Start, people: list[Client]
    ) -> None:
        project = start()
        (item,) = poll(people[0], project, 1)
        assert decide(admin, project, item, "a") == "created"
        assert give(people[0], project, [item], "b") == ["already_labeled"]

    def test_a_decision_is_revised_by_whoever_made_it_alone(
        self, admin: Client, start: Start, people: list[Client], make_client: object
    ) -> None:
        project = start()
        (item,) = poll(people[0], project, 1)
        decide(admin, project, item, "a")
        assert decide(admin, project, item, "a") == "unchanged"
        assert decide(admin, project, item, "b") == "revised"
        assert label_of(admin, project, item) == ("b", "adjudicated")
        other = make_client("boss", "admin")  # type: ignore[operator]
        assert decide(other, project, item, "a") == "already_decided"

    def test_ones_own_label_becomes_a_decision(self, admin: Client, start: Start) -> None:
        project = start()
        (item,) = poll(admin, project, 1)
        give(admin, project, [item], "a")
        assert decide(admin, project, item, "b") == "revised"
        assert label_of(admin, project, item) == ("b", "adjudicated")


class TestRefusals:
    def test_what_cannot_be_decided_says_why(self, admin: Client, start: Start) -> None:
        project = start()
        skipped, other = poll(admin, project, 2)
        admin.skip(project, [skipped], "ambiguous")
        unselected = max(item["item_id"] for item in admin.items(project))
        found = [
            decide(admin, project, skipped, "a"),
            decide(admin, project, unselected, "a"),
            decide(admin, project, other, "zebra"),
            decide(admin, project, 999_999, "a"),
        ]
        assert found == ["already_skipped", "not_in_batch", "unknown_class", "unknown_item"]

    def test_a_draft_takes_none(self, admin: Client, text_project: int) -> None:
        with pytest.raises(ClientError, match="takes labels only while"):
            admin.decide(text_project, {1: "neg"})
