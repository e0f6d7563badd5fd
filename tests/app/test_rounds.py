"""Rounds: their beginning, their end, and the rest of a batch."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from app.config import Settings
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from app.services import jobs
from app.services.labels import LabelEntry, submit_labels
from app.services.leases import next_batch
from app.services.lifecycle import start_project
from svp_client import Client, ClientError
from tests.app.conftest import Start
from tests.loop import (
    Factory,
    annotator,
    create_draft,
    expire_leases,
    give,
    import_texts,
    poll,
    publish_in_order,
    start_labeling,
)

pytestmark = pytest.mark.usefixtures("promises")


class TestRounds:
    def test_reserve_is_handed_out_while_the_next_proxy_trains(
        self, admin: Client, start: Start
    ) -> None:
        project = start(reserve=3)
        give(admin, project, poll(admin, project, 2))
        assert admin.project(project)["round"] == {"number": 1, "state": "selecting"}
        items = admin.next_batch(project, 9)["items"]
        assert [(i["source"], i["labels_behind"]) for i in items] == [("reserve", 2)] * 3

    def test_fewer_than_two_classes_select_uniformly_and_an_event_says_why(
        self, admin: Client, start: Start
    ) -> None:
        project = start(strategy="entropy")
        give(admin, project, poll(admin, project, 2), "a")
        assert [r["strategy"] for r in admin.rounds(project)] == ["uniform", "uniform"]
        events = admin.request("GET", f"/projects/{project}/events").json()["events"]
        facts = [e["facts"] for e in events if e["name"] == "round.strategy_replaced"][-1]
        assert facts["n_classes_labeled"] == 1

    def test_imported_labels_let_round_0_train_its_proxy(
        self, admin: Client, session_factory: Factory, settings: Settings
    ) -> None:
        with transaction(session_factory) as session:
            project = create_draft(session, "known", strategy="entropy").id
            import_texts(session, settings, project, ["x"], class_name="a")
            import_texts(session, settings, project, ["y"], class_name="b")
            import_texts(session, settings, project, [f"t{i}" for i in range(8)])
            start_project(session, project)
        assert admin.rounds(project)[0]["strategy"] == "entropy"
        assert admin.jobs(project)[0]["kind"] == "train_and_select"
        assert admin.project(project)["n_labeled"] == 0

    def test_new_items_wake_a_project_whose_pool_was_used_up(
        self, admin: Client, start: Start
    ) -> None:
        project = start(n_items=2, total_budget=2)
        admin.skip(project, poll(admin, project, 2), "unreadable")
        assert admin.project(project)["round"] == {"number": 0, "state": "completed"}
        admin.import_items(project, [{"external_id": "new", "text": "new"}])
        assert admin.project(project)["round"] == {"number": 1, "state": "selecting"}


N_ITEMS = 40


class Loop:
    """One project of the services, driven from the outside."""

    def __init__(self, factory: Factory, settings: Settings, **given: Any) -> None:
        self.factory, self.settings = factory, settings
        self.ada, self.bob = annotator(factory, "ada"), annotator(factory, "bob")
        given = {
            "initial_budget": 10, "round_budget": 10, "total_budget": 30, "reserve": 0, **given
        }  # fmt: skip
        self.project = start_labeling(factory, settings, "p", N_ITEMS, **given)

    def lease(self, who: int, size: int) -> list[int]:
        with transaction(self.factory) as session:
            batch = next_batch(session, self.project, who, size, self.settings)
            return [leased.item.id for leased in batch.items]

    def label(self, who: int, items: list[int]) -> list[str | None]:
        """Label half of the items a, the others b; return what was refused, None for the taken."""
        entries = [LabelEntry(item, "ab"[i % 2]) for i, item in enumerate(items)]
        with transaction(self.factory) as session:
            outcomes = submit_labels(session, self.project, who, entries, self.settings)
        return [outcome.code for outcome in outcomes]

    def publish(self) -> None:
        publish_in_order(self.factory, self.settings, self.project, N_ITEMS)

    def pass_time(self, seconds: float) -> None:
        with transaction(self.factory) as session:
            session.execute(
                text("UPDATE rounds SET labeling_at = labeling_at - make_interval(secs => :s)"),
                {"s": seconds},
            )

    def rounds(self) -> list[tuple[int, str]]:
        with transaction(self.factory) as session:
            return [
                (number, state)
                for number, state in session.execute(
                    text("SELECT number, state FROM rounds WHERE project_id = :p ORDER BY number"),
                    {"p": self.project},
                )
            ]

    def ended(self) -> list[tuple[str, int]]:
        """Return (reason, n_left) of each completed round."""
        with transaction(self.factory) as session:
            assert list(find_violations(session)) == []
            return [
                (reason, n_left)
                for reason, n_left in session.execute(
                    text(
                        "SELECT facts->>'reason', (facts->>'n_left')::int FROM events "
                        "WHERE name = 'round.state_changed' AND facts->>'to' = 'completed' "
                        "ORDER BY id"
                    )
                )
            ]


@pytest.fixture
def loop(session_factory: Factory, settings: Settings) -> Callable[..., Loop]:
    """Start a loop whose round 0 is being labeled."""
    return lambda **given: Loop(session_factory, settings, **given)


class TestShare:
    def test_round_ends_when_the_share_is_labeled(self, loop: Callable[..., Loop]) -> None:
        run = loop(trigger={"retrain_fraction": 0.8})
        items = run.lease(run.ada, 10)
        run.label(run.ada, items[:7])
        assert run.rounds() == [(0, "labeling")]
        run.label(run.ada, items[7:8])
        assert run.rounds() == [(0, "completed"), (1, "selecting")]
        assert run.ended() == [("fraction", 2)]

    def test_leases_stay_valid_through_the_next_publication(
        self, loop: Callable[..., Loop]
    ) -> None:
        run = loop(trigger={"retrain_fraction": 0.5})
        hers, his = run.lease(run.ada, 5), run.lease(run.bob, 5)
        run.label(run.ada, hers)
        run.publish()
        assert run.rounds()[-1] == (1, "labeling")
        assert run.label(run.bob, his) == [None] * 5
        assert run.ended() == [("fraction", 5)]

    def test_the_rest_is_handed_out_until_the_next_batch_replaces_it(
        self, loop: Callable[..., Loop]
    ) -> None:
        run = loop(trigger={"retrain_fraction": 0.5})
        run.label(run.ada, run.lease(run.ada, 5))
        rest = run.lease(run.bob, 2)  # of the ended round: nobody waits for the selection
        assert len(rest) == 2
        run.publish()
        with transaction(run.factory) as session:
            states = session.execute(
                text(
                    "SELECT b.state, count(*) FROM batch_items b "
                    "JOIN rounds r ON r.id = b.round_id "
                    "WHERE r.number = 0 GROUP BY b.state ORDER BY b.state"
                )
            ).all()
        assert [tuple(row) for row in states] == [("labeled", 5), ("open", 2), ("withdrawn", 3)]
        assert len(run.lease(run.ada, 20)) == 10
        assert run.label(run.bob, rest) == [None] * 2
        assert run.ended() == [("fraction", 5)]

    def test_the_last_batch_of_the_budget_is_labeled_to_its_end(
        self, loop: Callable[..., Loop]
    ) -> None:
        run = loop(total_budget=20, trigger={"retrain_fraction": 0.5})
        for _ in range(2):  # half of round 0, half of round 1: the other halves are withdrawn
            run.label(run.ada, run.lease(run.ada, 5))
            run.publish()
        for size in (5, 4):
            run.label(run.ada, run.lease(run.ada, size))
            assert run.rounds()[-1] == (2, "labeling")  # its 10 items are all that is left
        run.label(run.ada, run.lease(run.ada, 1))
        assert [reason for reason, _ in run.ended()] == ["fraction", "fraction", "batch_labeled"]
        with transaction(run.factory) as session:
            assert session.scalar(text("SELECT state FROM projects")) == "training_target"
            assert session.scalar(text("SELECT n_labeled FROM projects")) == 20

    def test_a_share_of_a_first_batch_larger_than_the_next_ends_the_round(
        self, loop: Callable[..., Loop]
    ) -> None:
        given = {"initial_budget": 20, "round_budget": 5, "total_budget": 40}
        run = loop(**given, trigger={"retrain_fraction": 0.5})
        run.label(run.ada, run.lease(run.ada, 10))  # 10 more are open, twice the next batch
        assert run.rounds() == [(0, "completed"), (1, "selecting")]

    def test_one_class_so_far_cannot_train_so_the_round_goes_on(
        self, loop: Callable[..., Loop]
    ) -> None:
        run = loop(strategy="least_confidence", trigger={"retrain_fraction": 0.5})
        items = run.lease(run.ada, 10)
        for item in items[:6]:
            run.label(run.ada, [item])  # one by one: all are a
        assert run.rounds() == [(0, "labeling")]
        run.label(run.ada, [items[0], items[6]])  # a, b
        assert run.rounds() == [(0, "completed"), (1, "training")]

    def test_min_new_labels_holds_the_share_back(self, loop: Callable[..., Loop]) -> None:
        run = loop(trigger={"retrain_fraction": 0.2, "min_new_labels": 6})
        items = run.lease(run.ada, 10)
        run.label(run.ada, items[:5])
        assert run.rounds() == [(0, "labeling")]
        run.label(run.ada, items[5:6])
        assert run.rounds()[-1] == (1, "selecting")


class TestTime:
    def test_sweeper_ends_the_round_once(self, loop: Callable[..., Loop]) -> None:
        run = loop(trigger={"retrain_after_seconds": 3600})
        run.label(run.ada, run.lease(run.ada, 1))
        jobs.sweep(run.factory, run.settings)
        assert run.rounds() == [(0, "labeling")]
        run.pass_time(3601)
        for _ in range(2):
            jobs.sweep(run.factory, run.settings)
        assert run.rounds() == [(0, "completed"), (1, "selecting")]
        assert run.ended() == [("time", 9)]

    def test_without_a_label_time_ends_nothing(self, loop: Callable[..., Loop]) -> None:
        run = loop(trigger={"retrain_after_seconds": 3600})
        run.pass_time(10_000)
        jobs.sweep(run.factory, run.settings)
        assert run.rounds() == [(0, "labeling")]

    def test_paused_project_waits(self, loop: Callable[..., Loop], admin: Client) -> None:
        run = loop(trigger={"retrain_after_seconds": 3600})
        run.label(run.ada, run.lease(run.ada, 1))
        admin.request("POST", f"/projects/{run.project}/pause")
        run.pass_time(10_000)
        jobs.sweep(run.factory, run.settings)
        assert run.rounds() == [(0, "labeling")]
        admin.request("POST", f"/projects/{run.project}/resume")
        assert run.rounds() == [(0, "completed"), (1, "selecting")]


class TestByHand:
    def test_next_round_begins(self, loop: Callable[..., Loop], admin: Client) -> None:
        run = loop()
        run.label(run.ada, run.lease(run.ada, 3))
        begun = admin.begin_next_round(run.project)
        assert (begun["number"], begun["state"], begun["budget"]) == (1, "selecting", 10)
        assert run.ended() == [("by_hand", 7)]
        assert admin.rounds(run.project)[0]["completed_at"] is not None

    def test_refusals_have_codes(self, loop: Callable[..., Loop], admin: Client) -> None:
        run = loop(total_budget=14)

        def refusal() -> str:
            with pytest.raises(ClientError) as refused:
                admin.begin_next_round(run.project)
            return refused.value.code

        assert refusal() == "no_new_labels"
        items = run.lease(run.ada, 10)
        run.label(run.ada, items[:4])
        admin.request("POST", f"/projects/{run.project}/pause")
        assert refusal() == "project_not_accepting"
        admin.request("POST", f"/projects/{run.project}/resume")
        admin.begin_next_round(run.project)
        assert refusal() == "round_not_labeling"
        run.publish()
        run.lease(run.bob, 10)
        run.label(run.ada, items[4:5])
        assert refusal() == "budget_spent"  # 5 labeled, 5 and 4 under lease
        run.label(run.ada, items[5:])
        expire_leases(run.factory, run.project)
        admin.request("POST", f"/projects/{run.project}/cancel")
        assert refusal() == "project_not_accepting"

    def test_a_revised_label_is_news(self, loop: Callable[..., Loop], admin: Client) -> None:
        run = loop()
        items = run.lease(run.ada, 4)
        run.label(run.ada, items)
        admin.begin_next_round(run.project)
        with transaction(run.factory) as session:  # what the snapshot of a worker notes
            session.execute(
                text(
                    "UPDATE jobs SET snapshot_version = (SELECT label_version FROM projects) "
                    "WHERE state = 'queued'"
                )
            )
        run.publish()
        with pytest.raises(ClientError, match="no_new_labels"):
            admin.begin_next_round(run.project)
        run.label(run.ada, items[1:2])  # b before, a now
        assert admin.begin_next_round(run.project)["number"] == 2

    def test_only_an_admin_may(
        self, loop: Callable[..., Loop], make_client: Callable[..., Client]
    ) -> None:
        run = loop()
        with pytest.raises(ClientError, match="not_allowed"):
            make_client("eve").begin_next_round(run.project)
