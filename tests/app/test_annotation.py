"""Annotation settings: overlap, limits, and who may change them."""

from typing import Any

import pytest

from app.config import Settings
from svp_client import Client, ClientError
from tests.app.conftest import Start
from tests.loop import Factory, events, give, poll, start_labeling

pytestmark = pytest.mark.usefixtures("promises")


class TestOverlap:
    def test_a_share_of_the_items_gets_several_labels_the_same_ones_again(
        self, admin: Client, people: list[Client], session_factory: Factory, settings: Settings
    ) -> None:
        drawn = []
        for name in ("one", "two"):
            project = start_labeling(
                session_factory,
                settings,
                name,
                n_items=60,
                initial_budget=40,
                total_budget=40,
                labels_per_item=2,
                annotation={"overlap_fraction": 0.25},
            )
            for client in people[:2]:
                give(client, project, poll(client, project, 40))
            wanted = [len(row["labels"]) for row in admin.export_labels(project)]
            assert set(wanted) == {1, 2}
            assert 4 <= wanted.count(2) <= 18
            drawn.append(wanted)
        assert drawn[0] == drawn[1]

    def test_a_tie_goes_to_one_more_annotator(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        ada, bob, eve, _ = people
        project = start(
            labels_per_item=2, initial_budget=1, reserve=0, annotation={"max_labels_per_item": 3}
        )
        items = poll(ada, project, 5)
        assert items == poll(bob, project, 5)
        give(ada, project, items, "a")
        assert poll(eve, project, 5) == []  # both slots are taken
        give(bob, project, items, "b")
        assert admin.project(project)["n_labeled"] == 0
        assert poll(eve, project, 5) == items
        give(eve, project, items, "b")
        (row,) = admin.export_labels(project)
        assert (row["class"], row["method"]) == ("b", "majority")
        assert row["agreement"] == pytest.approx(2 / 3)
        assert [(x["annotator"], x["class"]) for x in row["labels"]] == [
            ("ada", "a"),
            ("bob", "b"),
            ("eve", "b"),
        ]

    def test_without_more_labels_allowed_the_first_given_of_a_tie_stands(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start(labels_per_item=2, initial_budget=1, reserve=0)
        for client, name in zip(people[:2], "ba", strict=True):
            give(client, project, poll(client, project, 1), name)
        (row,) = admin.export_labels(project)
        assert (row["class"], row["agreement"]) == ("b", 0.5)

    def test_a_revision_that_ends_the_tie_takes_the_open_place_back(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        ada, bob, eve, _ = people
        project = start(
            labels_per_item=2, initial_budget=1, reserve=0, annotation={"max_labels_per_item": 3}
        )
        items = poll(ada, project, 1)
        give(ada, project, items, "a")
        give(bob, project, poll(bob, project, 1), "b")
        assert poll(eve, project, 1) == items
        assert give(bob, project, items, "a") == ["revised"]
        assert admin.project(project)["n_labeled"] == 1
        assert give(eve, project, items, "b") == ["already_labeled"]

    def test_an_undone_label_that_the_others_make_up_for_leaves_the_item_resolved(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start(
            labels_per_item=2, initial_budget=1, reserve=0, annotation={"max_labels_per_item": 3}
        )
        for client, name in zip(people[:3], "aba", strict=True):
            items = poll(client, project, 1)
            give(client, project, items, name)
        (outcome,) = people[1].withdraw_labels(project, items)
        assert outcome["status"] == "withdrawn"
        (row,) = admin.export_labels(project)
        assert (row["agreement"], len(row["labels"])) == (1.0, 2)

    def test_a_hanging_round_goes_on_when_fewer_labels_are_asked_for(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start(labels_per_item=3, initial_budget=2, reserve=0)
        for client in people[:2]:
            give(client, project, poll(client, project, 2))
        assert admin.rounds(project)[-1]["number"] == 0
        assert admin.change_annotation(project, labels_per_item=2)["labels_per_item"] == 2
        shown = admin.project(project)
        assert (shown["n_labeled"], admin.rounds(project)[-1]["number"]) == (2, 1)
        (facts,) = events(admin, project, "project.annotation_changed")
        assert facts["labels_per_item"] == 2

    def test_null_ends_a_limit_and_leaves_other_settings(self, admin: Client, start: Start) -> None:
        given = {"gold_min_accuracy": 0.5, "overlap_fraction": 0.5, "max_labels_per_item": 2}
        nulls: dict[str, Any] = dict.fromkeys(given)
        project = start(annotation=given)
        shown = admin.change_annotation(project, **nulls)["annotation"]
        assert [shown[name] for name in given] == [None, 0.5, None]

    @pytest.mark.parametrize(
        ("labels_per_item", "annotation", "said"),
        [
            (3, {"max_labels_per_item": 2}, "max_labels_per_item is 2"),
            (1, {"consensus": "median"}, "dawid_skene"),
            (1, {"overlap_fraction": 1.5}, "overlap_fraction"),
            (1, {"gold_fraction": 0.9}, "gold_fraction"),
            (1, {"adjudicator": ["ada"]}, "adjudicator"),
        ],
    )
    def test_contradicting_settings_are_explained(
        self, admin: Client, labels_per_item: int, annotation: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(ClientError, match=said) as refused:
            admin.create_project(
                name="x",
                modality="text",
                classes=["a", "b"],
                initial_budget=1,
                round_budget=1,
                total_budget=1,
                labels_per_item=labels_per_item,
                annotation=annotation,
            )
        assert refused.value.status == 422


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "annotation", {}),
        ("GET", "agreement", None),
        ("GET", "annotators", None),
        ("POST", "annotators/ada/pause", {"reason": "x"}),
        ("POST", "annotators/ada/resume", None),
        ("PUT", "gold", {"items": [{"external_id": "p-0"}]}),
        ("GET", "gold", None),
        ("POST", "gold/remove", {"external_ids": ["p-0"]}),
        ("GET", "flags", None),
        ("POST", "flags/1/close", None),
        ("POST", "requeue", {"item_ids": [1]}),
        ("POST", "reassign", {"item_ids": [1], "annotator": None}),
        ("GET", "items/1/labels", None),
        ("GET", "rounds/0/items", None),  # it would tell gold apart
    ],
)
def test_annotators_may_not_do_an_admins_work(
    people: list[Client], start: Start, method: str, path: str, body: object
) -> None:
    project = start()
    with pytest.raises(ClientError) as refused:
        people[0].request(method, f"/projects/{project}/{path}", json=body)
    assert (refused.value.status, refused.value.code) == (403, "not_allowed")
