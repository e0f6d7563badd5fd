"""Gold: handed out among other items, answered, and careless annotators paused."""

import pytest

from svp_client import Client, ClientError
from svp_client.types import ExportedLabel
from tests.app.conftest import Start
from tests.loop import Factory, events, expire_leases, give, poll

pytestmark = pytest.mark.usefixtures("promises")

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

    def test_they_count_as_long_as_the_project_keeps_flagged_labels(
        self, admin: Client, people: list[Client], with_gold: int
    ) -> None:
        admin.change_annotation(with_gold, flagged_labels="keep")
        bob = people[1]
        give(bob, with_gold, poll(bob, with_gold, 16), "b")
        (shown,) = admin.annotators(with_gold)
        n = shown["n_flagged"]
        assert shown["paused"]
        assert (admin.project(with_gold)["n_labeled"], shown["n_excluded"]) == (n, 0)
        for setting, n_labeled, n_excluded in (("exclude", 0, n), ("keep", n, 0)):
            admin.change_annotation(with_gold, flagged_labels=setting)
            assert admin.project(with_gold)["n_labeled"] == n_labeled
            assert admin.annotators(with_gold)[0]["n_excluded"] == n_excluded
            assert admin.overview(with_gold)["flagged_labels"] == {
                "setting": setting, "n_labels": n, "n_excluded": n_excluded,
            }  # fmt: skip
            facts = events(admin, with_gold, "project.annotation_changed")[-1]
            assert (facts["n_labels_changed"], facts["n_reopened"]) == (n, n - n_labeled)

    def test_labels_that_an_admin_flags_count_whatever_the_project_says(
        self, admin: Client, people: list[Client], with_gold: int
    ) -> None:
        ada = people[0]
        give(ada, with_gold, poll(ada, with_gold, 4), "a")
        admin.pause_annotator(with_gold, "ada", "on leave")
        n_labeled = admin.project(with_gold)["n_labeled"]
        for setting in ("keep", "exclude"):
            admin.change_annotation(with_gold, flagged_labels=setting)
        (shown,) = admin.annotators(with_gold)
        assert (shown["n_flagged"], shown["n_excluded"]) == (n_labeled, 0)
        assert admin.project(with_gold)["n_labeled"] == n_labeled > 0

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
