"""Several labels per item, adjudicators, gold, pauses, flags, requeue and reassign over HTTP."""

from collections.abc import Callable, Iterator
from typing import Any

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from svp_client import Client, ClientError
from svp_client.types import ExportedLabel
from tests.loop import CLASSES, expire_leases, import_texts, publish_in_order, start_labeling

Factory = sessionmaker[Session]
MakeClient = Callable[..., Client]
Start = Callable[..., int]


@pytest.fixture
def start(session_factory: Factory, settings: Settings) -> Start:
    """start(**settings) -> a project in round 0, published in index order."""

    def start(n_gold: int = 0, **given: Any) -> int:
        project = start_labeling(session_factory, settings, "p", **given)
        with transaction(session_factory) as session:
            names = [f"gold-{i}" for i in range(n_gold)]
            import_texts(session, settings, project, names, class_name="a")
        return project

    return start


@pytest.fixture(autouse=True)
def promises(session_factory: Factory) -> Iterator[None]:
    """After each test the database keeps every promise."""
    yield
    with transaction(session_factory) as session:
        assert list(find_violations(session)) == []


@pytest.fixture
def people(make_client: MakeClient) -> list[Client]:
    """Four annotators: ada, bob, eve, ivy."""
    return [make_client(name) for name in ("ada", "bob", "eve", "ivy")]


def poll(client: Client, project: int, size: int) -> list[int]:
    return [item["item_id"] for item in client.next_batch(project, size)["items"]]


def give(client: Client, project: int, items: list[int], name: str = "a") -> list[str]:
    labels = [{"item_id": item, "class": name} for item in items]
    return [r["code"] or r["status"] for r in client.submit_labels(project, labels)]


def events(admin: Client, project: int, name: str) -> list[dict[str, Any]]:
    page = admin.request("GET", f"/projects/{project}/events?limit=1000").json()
    return [event["facts"] for event in page["events"] if event["name"] == name]


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


class TestAdjudication:
    @pytest.fixture
    def disputed(self, people: list[Client], start: Start) -> tuple[int, int]:
        """A project whose best item has labels a and b and waits for ivy."""
        project = start(
            labels_per_item=2,
            initial_budget=3,
            reserve=0,
            annotation={"adjudicators": ["ivy"], "min_agreement": 0.9},
        )
        for client, name in zip(people[:2], "ab", strict=True):
            item = poll(client, project, 3)[2]
            client.release_leases(project)
            give(client, project, [item], name)
        return project, item

    def test_the_adjudicator_gets_it_first_and_others_never(
        self, people: list[Client], disputed: tuple[int, int]
    ) -> None:
        project, item = disputed
        assert item not in poll(people[2], project, 5)
        assert poll(people[3], project, 1) == [item]

    def test_the_adjudicators_class_stands_whatever_the_others_say(
        self, admin: Client, people: list[Client], disputed: tuple[int, int]
    ) -> None:
        project, item = disputed
        assert give(people[2], project, [item], "a") == ["leased_to_another"]
        assert give(people[3], project, [item], "b") == ["created"]
        assert give(people[1], project, [item], "a") == ["revised"]
        (row,) = admin.export_labels(project)
        assert (row["class"], row["method"], row["agreement"]) == ("b", "adjudicated", 1.0)
        assert [x["is_adjudication"] for x in row["labels"]] == [False, False, True]

    def test_without_adjudicators_any_more_the_majority_stands(
        self, admin: Client, disputed: tuple[int, int]
    ) -> None:
        project, item = disputed
        admin.change_annotation(project, adjudicators=[])
        (row,) = admin.export_labels(project)
        assert (row["item_id"], row["class"], row["method"]) == (item, "a", "majority")

    def test_who_labeled_an_item_does_not_adjudicate_it(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start(
            labels_per_item=2, initial_budget=1, reserve=0, annotation={"adjudicators": ["bob"]}
        )
        for client, name in zip(people[:2], "ab", strict=True):
            give(client, project, poll(client, project, 1), name)
        (row,) = admin.export_labels(project)
        assert (row["class"], row["method"]) == ("a", "majority")


GOLD = {"gold_fraction": 0.5, "gold_min_accuracy": 0.7, "gold_min_answers": 3}


class TestGold:
    @pytest.fixture
    def with_gold(self, admin: Client, start: Start) -> int:
        """A project of 40 items, with 12 gold items of class a."""
        project = start(
            n_gold=12, n_items=40, initial_budget=30, total_budget=30, reserve=0, annotation=GOLD
        )
        outcomes = admin.set_gold(project, {f"gold-{i}": None for i in range(12)})
        assert {o["status"] for o in outcomes} == {"created"}
        return project

    @staticmethod
    def ids(admin: Client, project: int) -> set[int]:
        return {entry["item_id"] for entry in admin.gold(project)}

    def test_it_stands_among_the_others_and_looks_like_them(
        self, admin: Client, people: list[Client], with_gold: int
    ) -> None:
        items = people[0].next_batch(with_gold, 20)["items"]
        gold = self.ids(admin, with_gold)
        is_gold = [item["item_id"] in gold for item in items]
        assert len(items) == 20
        assert 4 <= sum(is_gold) <= 12
        assert is_gold != sorted(is_gold)  # neither first nor last
        alike = ("rank", "suggestion", "source", "model_version", "labels_behind", "leased_until")
        for shown in (items, people[0].next_batch(with_gold, 20)["items"]):
            for name in alike:
                assert len({str(dict(item)[name]) for item in shown}) == 1, name

    def test_polling_again_brings_the_same_items_in_the_same_order(
        self, people: list[Client], with_gold: int
    ) -> None:
        items = poll(people[0], with_gold, 20)
        assert poll(people[0], with_gold, 20) == items
        assert [x["item_id"] for x in people[0].renew_leases(with_gold)] == items
        assert people[0].release_leases(with_gold) == []

    def test_answers_get_the_statuses_of_any_label_and_change_no_count(
        self, admin: Client, people: list[Client], with_gold: int, session_factory: Factory
    ) -> None:
        ada, gold = people[0], self.ids(admin, with_gold)
        item = next(i for i in poll(ada, with_gold, 20) if i in gold)
        before = admin.project(with_gold)
        expire_leases(session_factory, with_gold)
        assert give(ada, with_gold, [item], "zebra") == ["unknown_class"]
        assert give(ada, with_gold, [item], "b") == ["created"]
        assert give(ada, with_gold, [item], "b") == ["unchanged"]
        assert give(ada, with_gold, [item], "a") == ["revised"]
        assert ada.withdraw_labels(with_gold, [item])[0]["status"] == "withdrawn"
        assert item in poll(ada, with_gold, 20)
        assert ada.skip(with_gold, [item], "ambiguous")[0]["status"] == "skipped"
        assert give(ada, with_gold, [item], "a") == ["already_skipped"]
        after = admin.project(with_gold)
        assert [after[n] for n in ("n_labeled", "n_imported", "n_skipped")] == [
            before[n] for n in ("n_labeled", "n_imported", "n_skipped")
        ]

    def test_another_annotators_gold_is_no_item_to_label(
        self, admin: Client, people: list[Client], with_gold: int
    ) -> None:
        item = min(self.ids(admin, with_gold))
        assert give(people[1], with_gold, [item], "b") == ["not_in_batch"]

    def test_the_careless_are_paused_and_their_labels_flagged(
        self, admin: Client, people: list[Client], with_gold: int
    ) -> None:
        ada, bob = people[:2]
        give(ada, with_gold, poll(ada, with_gold, 15), "a")
        give(bob, with_gold, poll(bob, with_gold, 15), "b")
        with pytest.raises(ClientError, match="control items") as refused:
            bob.next_batch(with_gold, 1)
        assert (refused.value.status, refused.value.code) == (403, "annotator_paused")
        with pytest.raises(ClientError, match="paused"):
            give(bob, with_gold, [1])
        assert poll(ada, with_gold, 1)
        shown = {x["name"]: x for x in admin.annotators(with_gold)}
        assert shown["ada"]["gold"]["accuracy"] == 1.0
        assert shown["ada"]["gold"]["low"] < 1.0
        assert shown["ada"]["paused"] is None
        assert shown["bob"]["gold"]["accuracy"] == 0.0
        assert "control items" in (shown["bob"]["paused"] or "")
        assert shown["bob"]["n_flagged"] == shown["bob"]["n_labels"] > 0
        rows = [x["annotator"] for row in admin.export_labels(with_gold) for x in row["labels"]]
        assert set(rows) == {"ada"}, "bob's labels do not count"
        (facts,) = events(admin, with_gold, "annotator.paused")
        assert facts["n_flagged"] == shown["bob"]["n_flagged"]

    def test_a_resumed_annotator_starts_anew_with_the_flags_of_before(
        self, admin: Client, people: list[Client], with_gold: int
    ) -> None:
        bob = people[1]
        give(bob, with_gold, poll(bob, with_gold, 10), "b")
        admin.resume_annotator(with_gold, "bob")
        (shown,) = admin.annotators(with_gold)
        assert shown["paused"] is None
        assert shown["n_flagged"] == shown["n_labels"] > 0
        assert shown["gold"]["n_answers"] == 0
        assert poll(bob, with_gold, 1)
        with pytest.raises(ClientError, match="paused annotator bob"):
            admin.resume_annotator(with_gold, "bob")

    def test_labels_of_whom_gold_caught_count_no_more_until_the_flags_are_cleared(
        self, admin: Client, people: list[Client], with_gold: int
    ) -> None:
        ada, bob = people[:2]
        gold = self.ids(admin, with_gold)
        real = [item for item in poll(bob, with_gold, 16) if item not in gold]
        give(bob, with_gold, real, "b")
        assert admin.project(with_gold)["n_labeled"] == len(real) > 2
        give(bob, with_gold, [i for i in poll(bob, with_gold, 16) if i in gold], "b")
        assert admin.project(with_gold)["n_labeled"] == 0
        (facts,) = events(admin, with_gold, "annotator.paused")
        assert (facts["n_excluded"], facts["n_reopened"]) == (len(real), len(real))
        got = poll(ada, with_gold, 60)  # the items are asked again, of others
        assert set(real) <= set(got)
        give(ada, with_gold, got[:-3], "a")
        admin.clear_flags(with_gold, "bob")
        by_item = {
            row["item_id"]: [(x["annotator"], x["is_excluded"]) for x in row["labels"]]
            for row in admin.export_labels(with_gold)
        }
        assert {who for item in real for who in by_item[item]} >= {("bob", False)}
        shown = {x["name"]: x for x in admin.annotators(with_gold)}
        assert shown["bob"]["n_flagged"] == 0

    def test_with_two_labels_an_item_the_other_label_stands_and_one_more_is_asked(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start(
            n_gold=12,
            n_items=20,
            labels_per_item=2,
            initial_budget=10,
            total_budget=10,
            reserve=0,
            annotation=GOLD,
        )
        admin.set_gold(project, {f"gold-{i}": None for i in range(12)})
        gold, ada, bob, eve = self.ids(admin, project), *people[:3]
        for client, name in ((ada, "a"), (bob, "b")):
            items = poll(client, project, 6)
            give(client, project, [i for i in items if i not in gold], name)

        def labeled() -> list[ExportedLabel]:
            return [row for row in admin.export_labels(project) if row["source"] == "annotator"]

        both = [row["item_id"] for row in labeled()]
        while gold & set(items := poll(bob, project, 20)):
            give(bob, project, [i for i in items if i in gold], "b")
            if events(admin, project, "annotator.paused"):
                break
        assert both
        assert labeled() == []
        asked = poll(eve, project, 40)
        assert set(both) <= set(asked)
        give(eve, project, [i for i in asked if i not in gold], "a")
        for row in (r for r in labeled() if r["item_id"] in both):
            assert (row["class"], row["agreement"], len(row["labels"])) == ("a", 1.0, 3)

    def test_they_count_all_the_same_as_asked(
        self, admin: Client, people: list[Client], with_gold: int
    ) -> None:
        admin.change_annotation(with_gold, gold_action="keep")
        bob = people[1]
        give(bob, with_gold, poll(bob, with_gold, 16), "b")
        (shown,) = admin.annotators(with_gold)
        assert shown["paused"]
        assert admin.project(with_gold)["n_labeled"] == shown["n_flagged"] > 0

    def test_as_asked_what_only_they_labeled_is_handed_out_again(
        self, admin: Client, people: list[Client], with_gold: int
    ) -> None:
        admin.change_annotation(with_gold, gold_action="requeue")
        ada, bob = people[:2]
        bobs = poll(bob, with_gold, 15)
        give(bob, with_gold, bobs, "b")
        assert admin.project(with_gold)["n_labeled"] == 0
        real = set(bobs) - self.ids(admin, with_gold)
        assert real
        assert real <= set(poll(ada, with_gold, 40))

    def test_only_labeled_pool_items_become_gold_and_leave_it_again(
        self, admin: Client, with_gold: int
    ) -> None:
        outcomes = admin.set_gold(
            with_gold, {"p-0": "a", "none": "a", "gold-0": "zebra", "gold-1": "b", "gold-2": "a"}
        )
        assert [o["code"] or o["status"] for o in outcomes] == [
            "not_labeled",
            "unknown_item",
            "unknown_class",
            "revised",
            "unchanged",
        ]
        assert admin.remove_gold(with_gold, ["gold-1", "p-0"]) == 1
        assert len(list(admin.gold(with_gold))) == 11

    def test_gold_alone_is_never_handed_out(
        self, admin: Client, people: list[Client], with_gold: int
    ) -> None:
        for _ in range(40):
            items = poll(people[0], with_gold, 5)
            if not items:
                break
            give(people[0], with_gold, items, "a")
        assert admin.project(with_gold)["n_labeled"] == 30
        assert items == []


class TestPause:
    def test_an_admin_pauses_with_a_reason_and_what_was_held_is_free(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start(reserve=0)
        items = poll(people[0], project, 2)
        admin.pause_annotator(project, "ada", "Call me.")
        assert poll(people[1], project, 2) == items
        with pytest.raises(ClientError, match=r"Call me\."):
            people[0].next_batch(project, 1)
        with pytest.raises(ClientError, match="annotator nobody"):
            admin.pause_annotator(project, "nobody", "x")


class TestFlags:
    def test_a_remark_is_listed_exported_and_closed(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start()
        item, other = poll(people[0], project, 2)
        (outcome,) = people[0].flag(project, [item], "two things in one")
        assert outcome["status"] == "flagged"
        give(people[0], project, [item])
        (flag,) = admin.flags(project)
        assert (flag["annotator"], flag["item_id"]) == ("ada", item)
        (row,) = admin.export_labels(project)
        assert row["flags"] == ["two things in one"]
        (refused,) = people[1].flag(project, [other], "mine?")
        assert refused["code"] == "not_yours"
        admin.close_flag(project, flag["id"])
        assert list(admin.flags(project)) == []
        with pytest.raises(ClientError, match="flag 99"):
            admin.close_flag(project, 99)

    def test_skips_have_a_reason_of_the_list(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start()
        items = poll(people[0], project, 1)
        with pytest.raises(ClientError, match="unreadable"):
            people[0].skip(project, items, "because")
        people[0].skip(project, items, "other", comment="it is upside down")
        (facts,) = events(admin, project, "item.skipped")
        assert (facts["reason"], facts["comment"]) == ("other", "it is upside down")


class TestRequeue:
    def test_labels_become_history_and_the_item_is_handed_out_first(
        self,
        admin: Client,
        people: list[Client],
        start: Start,
        session_factory: Factory,
        settings: Settings,
    ) -> None:
        ada, bob = people[:2]
        project = start(reserve=0, total_budget=4)
        items = poll(ada, project, 2)
        give(ada, project, items, "a")
        give(ada, project, items[:1], "b")
        publish_in_order(session_factory, settings, project, 10)
        (outcome, unknown) = admin.requeue(project, [items[0], 10**6])
        assert (outcome["status"], unknown["code"]) == ("requeued", "unknown_item")
        assert admin.project(project)["n_labeled"] == 1
        mine = poll(bob, project, 5)
        assert set(mine) > {items[0]}
        assert len(mine) == 3  # the batch of 2 and the requeued one: the budget of 4 holds
        give(bob, project, [items[0]], "a")
        history = admin.label_history(project, items[0])
        assert [(x["annotator"], x["class"], x["earlier_classes"]) for x in history] == [
            ("ada", "b", ["a"]),
            ("bob", "a", []),
        ]
        assert [x["withdrawn_at"] is None for x in history] == [False, True]

    def test_it_stays_open_until_it_is_labeled_whatever_comes_between(
        self,
        admin: Client,
        people: list[Client],
        start: Start,
        session_factory: Factory,
        settings: Settings,
    ) -> None:
        ada = people[0]
        project = start(reserve=2, total_budget=4)
        items = poll(ada, project, 2)
        give(ada, project, items)
        admin.requeue(project, items[:1])  # while the next batch is selected
        publish_in_order(session_factory, settings, project, 10)
        give(ada, project, [i for i in poll(ada, project, 9) if i != items[0]])
        assert admin.project(project)["state"] == "running"  # not the target yet
        assert items[0] in poll(people[1], project, 9) + poll(ada, project, 9)

    def test_what_was_never_handed_out_skipped_or_is_gold_is_refused(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start(n_gold=1)
        items = poll(people[0], project, 2)
        people[0].skip(project, items[:1], "duplicate")
        give(people[0], project, items[1:])
        names = {row["item_id"]: row["external_id"] for row in admin.export_labels(project)}
        admin.set_gold(project, {names[items[1]]: None})
        imported = next(i for i, name in names.items() if name == "gold-0")
        codes = [o["code"] for o in admin.requeue(project, [items[0], items[1], imported])]
        assert codes == ["already_skipped", "is_gold", "not_in_batch"]


class TestReassign:
    def test_the_item_goes_to_the_one_named_and_to_nobody_else(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        ada, bob, eve, _ = people
        project = start(initial_budget=3, reserve=0)
        items = poll(ada, project, 3)
        (outcome,) = admin.reassign(project, items[2:], "bob")
        assert outcome["status"] == "reassigned"
        assert poll(ada, project, 3) == items[:2]
        assert poll(eve, project, 3) == []
        assert give(eve, project, items[2:]) == ["leased_to_another"]
        assert poll(bob, project, 3) == items[2:]
        bob.release_leases(project)
        assert poll(eve, project, 3) == []
        admin.reassign(project, items[2:], None)
        assert poll(eve, project, 3) == items[2:]

    def test_what_cannot_be_is_refused_with_a_code(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start(labels_per_item=2, initial_budget=1, reserve=0)
        items = poll(people[0], project, 1)
        give(people[0], project, items)
        (outcome,) = admin.reassign(project, items, "ada")
        assert outcome["code"] == "already_labeled"
        with pytest.raises(ClientError, match="annotator nobody"):
            admin.reassign(project, items, "nobody")
        admin.pause_annotator(project, "bob", "x")
        with pytest.raises(ClientError, match="bob is paused"):
            admin.reassign(project, items, "bob")


class TestAgreement:
    def test_it_is_what_the_libraries_compute_of_the_labels(
        self,
        admin: Client,
        people: list[Client],
        start: Start,
        session_factory: Factory,
        settings: Settings,
    ) -> None:
        rng = np.random.default_rng(3)
        project = start(
            n_items=30, labels_per_item=3, initial_budget=12, total_budget=20, round_budget=8
        )
        for _ in range(2):
            for client in people:
                for item in poll(client, project, 9):
                    give(client, project, [item], CLASSES[int(rng.random() < 0.3)])
            if admin.rounds(project)[-1]["state"] != "labeling":
                publish_in_order(session_factory, settings, project, 30)
        names = ["ada", "bob", "eve", "ivy"]
        given = [
            [next((x["class"] for x in row["labels"] if x["annotator"] == n), None) for n in names]
            for row in admin.export_labels(project)
        ]
        counts = np.array([[row.count(c) for c in CLASSES] for row in given])
        shown = admin.agreement(project)
        alpha = krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")
        assert shown["project"]["krippendorff_alpha"] == pytest.approx(alpha)
        pair = next(p for p in shown["pairs"] if (p["first"], p["second"]) == ("ada", "bob"))
        both = [(row[0], row[1]) for row in given if row[0] and row[1]]
        assert pair["n_items"] == len(both)
        assert pair["cohen_kappa"] == pytest.approx(
            cohen_kappa_score(*(list(side) for side in zip(*both, strict=True)))
        )
        numbers = [r["round"] for r in shown["rounds"]]
        assert numbers == sorted(set(numbers))
        assert sum(r["n_items"] for r in shown["rounds"]) == shown["project"]["n_items"]
        assert [a["name"] for a in shown["annotators"]] == names

    def test_without_shared_items_it_says_nothing(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start()
        give(people[0], project, poll(people[0], project, 2))
        shown = admin.agreement(project)
        assert shown["project"]["krippendorff_alpha"] is None
        (ada,) = shown["annotators"]
        assert (ada["name"], ada["n_resolved"], ada["with_consensus"]) == ("ada", 0, None)

    def test_agreement_with_the_consensus_counts_only_items_that_others_labeled_too(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        """Half of the items have one label: their consensus is a copy and says nothing."""
        project = start(
            n_items=30,
            labels_per_item=2,
            initial_budget=20,
            total_budget=20,
            annotation={"overlap_fraction": 0.5},
        )
        for client, name in zip(people[:2], CLASSES, strict=False):  # they never agree
            while items := poll(client, project, 20):
                give(client, project, items, name)
        rows = [row["labels"] for row in admin.export_labels(project)]
        n_shared = sum(len(labels) == 2 for labels in rows)
        assert 0 < n_shared < len(rows)
        shown = {entry["name"]: entry for entry in admin.agreement(project)["annotators"]}
        assert {entry["n_resolved"] for entry in shown.values()} == {n_shared}
        assert sum(entry["with_consensus"] or 0.0 for entry in shown.values()) == pytest.approx(1.0)


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
