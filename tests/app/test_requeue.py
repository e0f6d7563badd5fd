"""Items that are handed out again, to everybody or to a named annotator."""

import pytest

from app.config import Settings
from svp_client import Client, ClientError
from tests.app.conftest import Start
from tests.app.team import ADA, BOB, Team
from tests.loop import Factory, give, poll, publish_in_order

pytestmark = pytest.mark.usefixtures("promises")


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


class TestRequeuedItems:
    def test_reserve_that_nobody_holds_does_not_enter_the_budget(self, team: Team) -> None:
        team.start(initial_budget=2, round_budget=2, total_budget=2, reserve=3)
        waiting = [item for (item,) in team.rows("SELECT item_id FROM batch_items ORDER BY rank")]
        assert team.requeue(waiting) == ["nothing_to_requeue"] * 5
        assert team.label(ADA, team.poll(ADA)) == ["created", "created"]
        assert team.rows("SELECT n_labeled FROM projects") == [(2,)]

    def test_what_is_held_is_taken_away(self, team: Team) -> None:
        team.start()
        item = team.poll(ADA, 1)
        assert team.requeue(item) == ["requeued"]
        assert team.requeue(item) == ["requeued"]
        assert team.poll(BOB, 1) == item

    @pytest.mark.parametrize("what", ["label", "skip"])
    def test_an_answer_ends_it(self, team: Team, what: str) -> None:
        team.start(initial_budget=1, round_budget=1)
        item = team.poll(ADA, 1)
        team.label(ADA, item)
        team.requeue(item)
        assert team.rows("SELECT is_requeued FROM batch_items WHERE is_requeued") == [(True,)]
        getattr(team, what)(BOB, item)
        assert team.rows("SELECT is_requeued FROM batch_items WHERE is_requeued") == []
