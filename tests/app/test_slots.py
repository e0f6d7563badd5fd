"""Slots, undo, requeue, reassign and pauses in the orders of events that once broke a promise."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from app.db.tables import SkipReason
from app.services.annotation import change_annotation
from app.services.annotators import pause_annotator
from app.services.labels import LabelEntry, submit_labels, withdraw_labels
from app.services.leases import next_batch
from app.services.lifecycle import finish_project
from app.services.requeue import reassign_items, requeue_items
from app.services.skips import submit_skips
from tests.loop import annotator, expire_leases, start_labeling

Factory = sessionmaker[Session]
ADA, BOB, EVE, IVY = range(4)


class Team:
    """Four annotators on a project; what they do returns the outcomes' codes or statuses."""

    def __init__(self, factory: Factory, settings: Settings) -> None:
        self.factory, self.settings = factory, settings
        self.ids = [annotator(factory, name) for name in ("ada", "bob", "eve", "ivy")]
        self.project = 0

    def start(self, **given: Any) -> None:
        self.project = start_labeling(self.factory, self.settings, "p", **given)

    def start_one_item(self, **annotation: Any) -> None:
        """Begin a round of one item that wants two labels."""
        budgets = {"initial_budget": 1, "round_budget": 1, "reserve": 0}
        self.start(labels_per_item=2, annotation=annotation, **budgets)

    def poll(self, who: int, size: int = 10) -> list[int]:
        with transaction(self.factory) as session:
            batch = next_batch(session, self.project, self.ids[who], size, self.settings)
            return [leased.item.id for leased in batch.items]

    def label(self, who: int, items: list[int], name: str = "a") -> list[str]:
        entries = [LabelEntry(item, name) for item in items]
        return self._do(submit_labels, self.ids[who], entries)

    def undo(self, who: int, items: list[int]) -> list[str]:
        return self._do(withdraw_labels, self.ids[who], items)

    def skip(self, who: int, items: list[int]) -> list[str]:
        with transaction(self.factory) as session:
            reason, ids = SkipReason.OTHER, (self.project, self.ids[who])
            outcomes = submit_skips(session, *ids, items, reason, self.settings)
        return [outcome.code or outcome.status for outcome in outcomes]

    def requeue(self, items: list[int]) -> list[str]:
        return self._do(requeue_items, items)

    def reassign(self, items: list[int], name: str) -> list[str]:
        return self._do(reassign_items, items, name)

    def pause(self, name: str) -> None:
        with transaction(self.factory) as session:
            pause_annotator(session, self.project, name, "x.", self.settings)

    def change(self, **changes: Any) -> None:
        with transaction(self.factory) as session:
            change_annotation(session, self.project, changes, None, self.settings)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with transaction(self.factory) as session:
            return [tuple(row) for row in session.execute(text(statement))]

    def round_states(self) -> list[str]:
        return [state for (state,) in self.rows("SELECT state FROM rounds ORDER BY number")]

    def _do(self, use: Any, *arguments: Any) -> list[str]:
        with transaction(self.factory) as session:
            outcomes = use(session, self.project, *arguments, self.settings)
        return [outcome.code or outcome.status for outcome in outcomes]


@pytest.fixture
def team(session_factory: Factory, settings: Settings) -> Iterator[Team]:
    """Whatever the team does, the database keeps every promise."""
    yield Team(session_factory, settings)
    with transaction(session_factory) as session:
        assert list(find_violations(session)) == []


class TestPause:
    def test_in_an_ended_project_the_labels_stay(self, team: Team) -> None:
        team.start(annotation={"gold_action": "requeue"})
        team.label(ADA, team.poll(ADA, 2))
        team.poll(ADA, 2)
        with transaction(team.factory) as session:
            finish_project(session, team.project)
        team.pause("ada")
        assert team.rows("SELECT state, n_labeled FROM projects") == [("training_target", 2)]
        assert team.rows("SELECT count(*) FROM labels WHERE withdrawn_at IS NULL") == [(2,)]

    def test_without_the_last_adjudicator_the_majority_decides(self, team: Team) -> None:
        team.start_one_item(adjudicators=["ivy"])
        (item,) = team.poll(ADA)
        team.label(ADA, [item], "b")
        team.label(BOB, [item], "a")
        assert team.round_states() == ["labeling"]
        team.pause("ivy")
        assert team.rows("SELECT class_index, method FROM resolved_labels") == [(1, "majority")]
        assert team.round_states() == ["completed", "selecting"]

    def test_another_adjudicator_is_still_waited_for(self, team: Team) -> None:
        team.start_one_item(adjudicators=["ivy", "eve"])
        (item,) = team.poll(ADA)
        team.label(ADA, [item], "b")
        team.label(BOB, [item], "a")
        team.pause("ivy")
        assert team.round_states() == ["labeling"]
        assert team.poll(EVE) == [item]


class TestRequeue:
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


class TestRevision:
    def test_an_item_of_a_completed_round_opens_as_reserve(self, team: Team) -> None:
        team.start_one_item(max_labels_per_item=3)
        (item,) = team.poll(ADA)
        team.label(ADA, [item])
        team.label(BOB, [item])
        assert team.round_states() == ["completed", "selecting"]
        assert team.label(ADA, [item], "b") == ["revised"]
        found = team.rows("SELECT source, state FROM batch_items WHERE state <> 'withdrawn'")
        assert found == [("reserve", "open")]


class TestUndo:
    def test_another_annotator_keeps_the_slot_that_is_left(self, team: Team) -> None:
        team.start_one_item(max_labels_per_item=3)
        (item,) = team.poll(ADA)
        team.label(ADA, [item], "a")
        team.label(BOB, [item], "b")
        assert team.poll(EVE) == [item]
        assert team.undo(ADA, [item]) == ["withdrawn"]
        assert team.poll(ADA) == []
        assert team.label(EVE, [item], "b") == ["created"]
        assert team.rows("SELECT class_index FROM resolved_labels") == [(1,)]

    def test_a_free_slot_is_leased_again(self, team: Team) -> None:
        team.start_one_item(max_labels_per_item=3)
        (item,) = team.poll(ADA)
        team.label(ADA, [item], "a")
        team.label(BOB, [item], "b")
        assert team.undo(ADA, [item]) == ["withdrawn"]
        assert team.poll(EVE) == []
        assert team.poll(ADA) == [item]


class TestSlots:
    def test_a_new_slot_has_nothing_of_a_deleted_one_of_its_number(self, team: Team) -> None:
        team.start_one_item(max_labels_per_item=3, adjudicators=["ivy"])
        (item,) = team.poll(ADA)
        team.label(ADA, [item], "a")
        team.label(BOB, [item], "b")
        assert team.poll(EVE) == [item]
        team.change(max_labels_per_item=None)
        assert team.label(EVE, [item], "b") == ["leased_to_another"]
        assert team.poll(IVY) == [item]

    def test_an_answer_takes_the_slot_that_is_kept_for_its_annotator(self, team: Team) -> None:
        team.start_one_item()
        (item,) = team.poll(ADA)
        team.reassign([item], "bob")
        expire_leases(team.factory, team.project)
        assert team.label(BOB, [item]) == ["created"]
        assert team.poll(EVE) == [item]

    def test_an_answer_frees_what_else_is_kept_for_its_annotator(self, team: Team) -> None:
        team.start_one_item()
        (item,) = team.poll(ADA)
        team.reassign([item], "bob")
        expire_leases(team.factory, team.project)
        with transaction(team.factory) as session:  # a lease from before the reassignment
            session.execute(
                text(
                    "UPDATE batch_item_slots SET leased_by = :bob, leased_until = now() + "
                    "interval '1 h' WHERE slot = 1 AND batch_item_id = "
                    "(SELECT id FROM batch_items WHERE item_id = :item)"
                ),
                {"bob": team.ids[BOB], "item": item},
            )
        assert team.label(BOB, [item]) == ["created"]
        assert team.poll(EVE) == [item]

    def test_two_reassignments_keep_two_slots(self, team: Team) -> None:
        team.start_one_item()
        ((item,),) = team.rows("SELECT item_id FROM batch_items WHERE source = 'batch'")
        for name in ("ada", "bob"):
            assert team.reassign([item], name) == ["reassigned"]
        assert team.poll(EVE) == []
        assert team.poll(ADA) == team.poll(BOB) == [item]

    def test_a_slot_kept_for_a_former_adjudicator_is_the_others(self, team: Team) -> None:
        team.start_one_item(adjudicators=["eve", "ivy"])
        (item,) = team.poll(ADA)
        team.label(ADA, [item], "a")
        team.label(BOB, [item], "b")
        assert team.reassign([item], "eve") == ["reassigned"]
        team.change(adjudicators=["ivy"])
        assert team.poll(IVY) == [item]

    def test_an_adjudicator_who_labeled_the_item_leaves_it_to_another(self, team: Team) -> None:
        team.start_one_item(adjudicators=["eve", "ivy"])
        (item,) = team.poll(EVE)
        team.label(EVE, [item], "a")
        team.label(BOB, [item], "b")
        assert team.poll(EVE) == []
        assert team.poll(IVY) == [item]
