"""Leases: next-batch, slots, renewing, giving back, and expiry."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.session import transaction
from app.domain.lease import is_committed, slot_for_answer
from svp_client import Client, ClientError
from tests.app.conftest import MakeClient, Start
from tests.app.team import ADA, BOB, EVE, IVY, Team
from tests.loop import Factory, expire_leases, give, label, poll, publish_in_order


@pytest.mark.usefixtures("promises")
class TestLeases:
    def test_renewing_moves_the_end_and_names_the_items(self, admin: Client, start: Start) -> None:
        project = start()
        before = admin.next_batch(project, 2)["items"]
        renewed = admin.renew_leases(project)
        assert [x["item_id"] for x in renewed] == [x["item_id"] for x in before]
        assert renewed[0]["leased_until"] > (before[0]["leased_until"] or "")

    def test_a_lease_that_ended_is_not_renewed(
        self, admin: Client, start: Start, session_factory: Factory
    ) -> None:
        project = start()
        poll(admin, project, 2)
        expire_leases(session_factory, project)
        assert admin.renew_leases(project) == []

    def test_part_of_a_batch_is_given_back_and_goes_to_another(
        self, admin: Client, make_client: MakeClient, start: Start
    ) -> None:
        project = start(reserve=0, initial_budget=3)
        first, second, third = poll(admin, project, 3)
        left = admin.release_leases(project, [second])
        assert [x["item_id"] for x in left] == [first, third]
        assert poll(make_client("ada"), project, 3) == [second]

    def test_all_is_given_back(self, admin: Client, make_client: MakeClient, start: Start) -> None:
        project = start(reserve=0)
        items = poll(admin, project, 2)
        assert admin.release_leases(project) == []
        assert poll(make_client("ada"), project, 2) == items

    def test_nothing_is_renewed_while_paused(self, admin: Client, start: Start) -> None:
        project = start()
        poll(admin, project, 1)
        admin.request("POST", f"/projects/{project}/pause")
        with pytest.raises(ClientError) as refusal:
            admin.renew_leases(project)
        assert (refusal.value.status, refusal.value.code) == (409, "project_not_accepting")


@pytest.mark.usefixtures("promises")
class TestWaiting:
    def test_empty_answer_says_what_for(
        self, admin: Client, make_client: MakeClient, start: Start
    ) -> None:
        project = start(reserve=0)
        items = poll(make_client("ada"), project, 2)
        assert admin.next_batch(project, 1)["waiting_for"] == "others"
        give(make_client("ada"), project, items)
        assert admin.next_batch(project, 1)["waiting_for"] == "selection"


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


@dataclass
class FakeSlot:
    slot: int
    leased_by: int | None
    filled: bool
    reserved_for: int | None = None
    for_adjudicator: bool = False


SLOTS = st.lists(st.sampled_from([None, 1, 2, 3]), min_size=1, max_size=4).flatmap(
    lambda holders: st.tuples(
        *(st.booleans() if h is not None else st.just(value=False) for h in holders)
    ).map(
        lambda filled: [
            FakeSlot(i, h, f) for i, (h, f) in enumerate(zip(holders, filled, strict=True), 1)
        ]
    )
)


class TestLease:
    @given(SLOTS, st.integers(1, 4))
    def test_an_answer_fills_the_own_slot_or_a_free_one(
        self, slots: list[FakeSlot], annotator: int
    ) -> None:
        slot = slot_for_answer(slots, annotator)
        own = [s for s in slots if s.leased_by == annotator and not s.filled]
        free = [s for s in slots if s.leased_by is None]
        assert slot is next(iter(own or free), None)

    @given(SLOTS)
    def test_an_item_is_committed_once_somebody_holds_it(self, slots: list[FakeSlot]) -> None:
        assert is_committed(slots) == (len([s for s in slots if s.leased_by]) > 0)


@pytest.mark.usefixtures("promises")
class TestNextBatch:
    @pytest.mark.timeout(60)
    def test_more_polls_at_once_than_threads_are_all_answered(
        self, make_client: MakeClient, running: int
    ) -> None:
        """All wait for one lock in threads, and its holder may need a thread to continue."""
        clients = [make_client(f"annotator {i}") for i in range(60)]
        barrier = threading.Barrier(len(clients))

        def poll(client: Client) -> list[int]:
            barrier.wait(30)
            return [item["item_id"] for item in client.next_batch(running, 1)["items"]]

        with ThreadPoolExecutor(len(clients)) as pool:
            got = [item for items in pool.map(poll, clients) for item in items]
        assert len(got) == len(set(got)) == 8  # the batch and its reserve, each item once

    def test_polling_again_returns_the_same_leases(self, admin: Client, running: int) -> None:
        first = admin.next_batch(running, 3)["items"]
        again = admin.next_batch(running, 3)["items"]
        assert [i["item_id"] for i in first] == [i["item_id"] for i in again]

    def test_no_item_goes_to_two_annotators(
        self, admin: Client, make_client: MakeClient, running: int
    ) -> None:
        mine = admin.next_batch(running, 3)["items"]
        other = make_client("ada").next_batch(running, 6)["items"]
        assert not {i["item_id"] for i in mine} & {i["item_id"] for i in other}

    def test_reserve_follows_when_the_batch_is_out(self, admin: Client, running: int) -> None:
        sources = [i["source"] for i in admin.next_batch(running, 8)["items"]]
        assert sources == ["batch"] * 4 + ["reserve"] * 4

    def test_expired_lease_goes_to_another(
        self,
        admin: Client,
        make_client: MakeClient,
        running: int,
        session_factory: sessionmaker[Session],
    ) -> None:
        mine = admin.next_batch(running, 4)["items"]
        with transaction(session_factory) as session:
            session.execute(
                text(
                    "UPDATE batch_item_slots SET leased_until = now() "
                    "- interval '1 s' WHERE leased_until IS NOT NULL"
                )
            )
        other = make_client("ada").next_batch(running, 4)["items"]
        assert [i["item_id"] for i in mine] == [i["item_id"] for i in other]

    def test_nothing_to_hand_out_says_when_to_ask_again(
        self, admin: Client, text_project: int
    ) -> None:
        answer = admin.request("GET", f"/projects/{text_project}/next-batch")
        assert answer.json() == {
            "state": "draft",
            "round": None,
            "items": [],
            "waiting_for": None,
            "ready_in_seconds": None,
        }
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.headers["Cache-Control"] == "no-store"

    def test_reserve_stops_at_the_total_budget(
        self,
        admin: Client,
        running: int,
        session_factory: sessionmaker[Session],
        settings: Settings,
    ) -> None:
        label(admin, running, admin.next_batch(running, 8)["items"])
        publish_in_order(session_factory, settings, running, 40)
        items = admin.next_batch(running, 100)["items"]
        assert len(items) == 12 - 8
