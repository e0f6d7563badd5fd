"""Races on a real database: threads start at a barrier, commit, and keep the promises."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import tokens
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from app.domain.errors import (
    AnnotatorPaused,
    NoNewLabels,
    ProjectNotAccepting,
    RoundNotEndable,
    TransitionNotAllowed,
)
from app.services import job_results, jobs
from app.services.annotation import change_annotation
from app.services.answers import AnswerStatus
from app.services.gold import set_gold
from app.services.jobs import ClaimedJob
from app.services.labels import LabelEntry, submit_labels
from app.services.leases import next_batch
from app.services.lifecycle import finish_project
from app.services.next_round import begin_next_round
from app.services.requeue import requeue_items
from tests.loop import (
    Factory,
    annotator,
    claim_waiting,
    expire_leases,
    import_texts,
    in_order,
    start_labeling,
)

pytestmark = pytest.mark.slow


def at_once(factory: Factory, *uses: Callable[[Session], Any]) -> list[Any]:
    """Run each use in a transaction of its own, all at the same moment; errors are results."""
    barrier = threading.Barrier(len(uses))

    def run(use: Callable[[Session], Any]) -> Any:
        try:
            with transaction(factory) as session:
                session.execute(text("SELECT 1"))  # connected before the start
                barrier.wait(10)
                return use(session)
        except (
            AnnotatorPaused, NoNewLabels, ProjectNotAccepting, RoundNotEndable, TransitionNotAllowed
        ) as error:  # fmt: skip
            return error

    with ThreadPoolExecutor(len(uses)) as pool:
        return list(pool.map(run, uses))


def lease(factory: Factory, settings: Settings, project: int, who: int, size: int) -> list[int]:
    with transaction(factory) as session:
        batch = next_batch(session, project, who, size, settings)
        return [leased.item.id for leased in batch.items]


def give(
    settings: Settings, project: int, who: int, items: list[int], name: str = "a"
) -> Callable[[Session], Any]:
    entries = [LabelEntry(item, name) for item in items]
    return lambda session: submit_labels(session, project, who, entries, settings)


def requeue(settings: Settings, project: int, items: list[int]) -> Callable[[Session], Any]:
    return lambda session: requeue_items(session, project, items, settings)


def poll(settings: Settings, project: int, who: int, size: int) -> Callable[[Session], list[int]]:
    return lambda session: [
        leased.item.id for leased in next_batch(session, project, who, size, settings).items
    ]


def publish(settings: Settings, claimed: ClaimedJob) -> Callable[[Session], None]:
    return lambda session: job_results.publish_selection(session, claimed, in_order(10), settings)


def finish(project: int) -> Callable[[Session], Any]:
    return lambda session: finish_project(session, project)


def assert_promises(factory: Factory) -> None:
    with transaction(factory) as session:
        assert list(find_violations(session)) == []


def count(factory: Factory, statement: str, project: int) -> int:
    with transaction(factory) as session:
        return int(session.scalar(text(statement).bindparams(project=project)) or 0)


def wait_for_a_blocked_lock(factory: Factory) -> None:
    for _ in range(1000):
        with transaction(factory) as session:
            if session.scalar(text("SELECT exists (SELECT FROM pg_locks WHERE NOT granted)")):
                return
            session.execute(text("SELECT pg_sleep(0.01)"))
    raise AssertionError("nobody waits")


def test_a_new_adjudicator_and_a_tools_first_request_do_not_wait_for_each_other(
    session_factory: Factory, settings: Settings
) -> None:
    project = start_labeling(session_factory, settings, "p")

    def change() -> None:
        with transaction(session_factory) as session:
            change_annotation(session, project, {"adjudicators": ["new"]}, None, settings)

    with ThreadPoolExecutor(1) as pool:
        with transaction(session_factory) as session:
            new = tokens.annotator_id(session, "new")  # as ?annotator=new does
            changing = pool.submit(change)
            wait_for_a_blocked_lock(session_factory)
            assert len(next_batch(session, project, new, 1, settings).items) == 1
        changing.result(10)
    assert_promises(session_factory)


@pytest.fixture
def ada(session_factory: Factory) -> int:
    return annotator(session_factory, "ada")


@pytest.fixture
def bob(session_factory: Factory) -> int:
    return annotator(session_factory, "bob")


def test_last_two_labels_complete_the_round_exactly_once(
    session_factory: Factory, settings: Settings, ada: int, bob: int
) -> None:
    for i in range(50):
        project = start_labeling(session_factory, settings, f"p{i}", reserve=0)
        hers = lease(session_factory, settings, project, ada, 1)
        his = lease(session_factory, settings, project, bob, 1)
        at_once(
            session_factory,
            give(settings, project, ada, hers),
            give(settings, project, bob, his),
        )
        live = (
            "SELECT count(*) FROM jobs "
            "WHERE project_id = :project AND state = 'queued' AND kind <> 'pack'"
        )
        assert count(session_factory, live, project) == 1
    assert_promises(session_factory)


def test_two_tabs_of_one_annotator_show_the_same_items(
    session_factory: Factory, settings: Settings, ada: int
) -> None:
    for i in range(20):
        project = start_labeling(session_factory, settings, f"p{i}", initial_budget=4)
        one, two = at_once(session_factory, *[poll(settings, project, ada, 2)] * 2)
        assert one == two
        assert len(one) == 2
    assert_promises(session_factory)


def test_two_annotators_never_get_the_same_item(
    session_factory: Factory, settings: Settings, ada: int, bob: int
) -> None:
    for i in range(20):
        project = start_labeling(session_factory, settings, f"p{i}", initial_budget=4)
        hers, his = at_once(
            session_factory, poll(settings, project, ada, 3), poll(settings, project, bob, 3)
        )
        assert not set(hers) & set(his)
        assert len(hers) == len(his) == 3
    assert_promises(session_factory)


def test_late_label_and_the_next_lease_never_both_win(
    session_factory: Factory, settings: Settings, ada: int, bob: int
) -> None:
    for i in range(30):
        project = start_labeling(session_factory, settings, f"p{i}", reserve=0)
        hers = lease(session_factory, settings, project, ada, 1)
        expire_leases(session_factory, project)
        (outcome,), his = at_once(
            session_factory,
            give(settings, project, ada, hers),
            poll(settings, project, bob, 2),
        )
        assert (outcome.status == AnswerStatus.CREATED) != (hers[0] in his)
        if outcome.status == AnswerStatus.REFUSED:
            assert outcome.code == "leased_to_another"
    assert_promises(session_factory)


def test_publishing_leaves_out_what_was_labeled_meanwhile(
    session_factory: Factory, settings: Settings, ada: int, bob: int
) -> None:
    for i in range(20):
        project = start_labeling(session_factory, settings, f"p{i}", total_budget=10)
        batch = lease(session_factory, settings, project, ada, 2)
        with transaction(session_factory) as session:
            give(settings, project, ada, batch)(session)
        reserve = lease(session_factory, settings, project, bob, 1)
        claimed = claim_waiting(session_factory, settings, project)
        assert claimed is not None
        _, (outcome,) = at_once(
            session_factory,
            publish(settings, claimed),
            give(settings, project, bob, reserve),
        )
        assert outcome.status == AnswerStatus.CREATED
        again = lease(session_factory, settings, project, ada, 10)
        assert not set(again) & {*batch, *reserve}
    assert_promises(session_factory)


def test_finish_and_the_last_label_make_one_target_job(
    session_factory: Factory, settings: Settings, ada: int
) -> None:
    for i in range(20):
        project = start_labeling(
            session_factory, settings, f"p{i}", total_budget=2, initial_budget=2
        )
        items = lease(session_factory, settings, project, ada, 2)
        with transaction(session_factory) as session:
            give(settings, project, ada, items[:1])(session)
        finished, labeled = at_once(
            session_factory,
            finish(project),
            give(settings, project, ada, items[1:]),
        )
        # The last label spends the budget, so that whoever comes second finds labeling ended.
        assert isinstance(finished, TransitionNotAllowed) != isinstance(
            labeled, ProjectNotAccepting
        )
        target = "SELECT count(*) FROM jobs WHERE project_id = :project AND kind = 'train_target'"
        assert count(session_factory, target, project) == 1
    assert_promises(session_factory)


def test_two_labels_that_disagree_at_once_ask_for_one_more_annotator(
    session_factory: Factory, settings: Settings, ada: int, bob: int
) -> None:
    eve = annotator(session_factory, "eve")
    for i in range(20):
        project = start_labeling(
            session_factory,
            settings,
            f"p{i}",
            initial_budget=1,
            reserve=0,
            labels_per_item=2,
            annotation={"max_labels_per_item": 3},
        )
        (item,) = lease(session_factory, settings, project, ada, 1)
        assert lease(session_factory, settings, project, bob, 1) == [item]
        at_once(
            session_factory,
            give(settings, project, ada, [item], "a"),
            give(settings, project, bob, [item], "b"),
        )
        assert lease(session_factory, settings, project, eve, 5) == [item]
    assert_promises(session_factory)


def test_requeue_and_a_label_of_the_same_item_lose_neither(
    session_factory: Factory, settings: Settings, ada: int
) -> None:
    for i in range(20):
        project = start_labeling(session_factory, settings, f"p{i}")
        items = lease(session_factory, settings, project, ada, 2)
        (outcomes, requeued) = at_once(
            session_factory,
            give(settings, project, ada, items),
            requeue(settings, project, items[:1]),
        )
        assert [o.status for o in outcomes] == [AnswerStatus.CREATED] * 2
        assert [o.status for o in requeued] == [AnswerStatus.REQUEUED]
        standing = (
            "SELECT count(*) FROM labels WHERE project_id = :project AND withdrawn_at IS NULL"
        )
        assert count(session_factory, standing, project) in (1, 2)  # by who came first
        given = "SELECT count(*) FROM labels WHERE project_id = :project"
        assert count(session_factory, given, project) == 2
    assert_promises(session_factory)


def test_gold_answers_at_once_pause_the_careless_once(
    session_factory: Factory, settings: Settings, ada: int
) -> None:
    options = {"gold_fraction": 0.5, "gold_min_accuracy": 0.9, "gold_min_answers": 2}
    for i in range(10):
        project = start_labeling(
            session_factory, settings, f"p{i}", n_items=30, initial_budget=20, total_budget=20,
            annotation=options,
        )  # fmt: skip
        with transaction(session_factory) as session:
            names = [f"g{i}-{n}" for n in range(8)]
            import_texts(session, settings, project, names, class_name="b")
            set_gold(session, project, dict.fromkeys(names))
        one, two = at_once(session_factory, *[poll(settings, project, ada, 16)] * 2)
        assert one == two
        at_once(
            session_factory,
            give(settings, project, ada, one[:8]),
            give(settings, project, ada, one[8:]),
        )
        paused = (
            "SELECT count(*) FROM events WHERE project_id = :project AND name = 'annotator.paused'"
        )
        assert count(session_factory, paused, project) == 1
    assert_promises(session_factory)


def press(settings: Settings, project: int) -> Callable[[Session], Any]:
    return lambda session: begin_next_round(session, project, settings).number


def test_two_hands_and_the_last_label_begin_one_round(
    session_factory: Factory, settings: Settings, ada: int
) -> None:
    for i in range(30):
        project = start_labeling(session_factory, settings, f"p{i}", total_budget=10)
        first, last = lease(session_factory, settings, project, ada, 2)
        with transaction(session_factory) as session:
            give(settings, project, ada, [first])(session)
        one, two, (outcome,) = at_once(
            session_factory,
            press(settings, project),
            press(settings, project),
            give(settings, project, ada, [last]),
        )
        assert outcome.status == AnswerStatus.CREATED
        assert [one, two].count(1) <= 1
        assert all(x == 1 or isinstance(x, RoundNotEndable) for x in (one, two))
        assert count(session_factory, "SELECT max(number) FROM rounds WHERE project_id = :project",
                     project) == 1  # fmt: skip
        live = (
            "SELECT count(*) FROM jobs "
            "WHERE project_id = :project AND state = 'queued' AND kind <> 'pack'"
        )
        assert count(session_factory, live, project) == 1
    assert_promises(session_factory)


def test_two_sweepers_and_a_label_end_a_round_by_time_once(
    session_factory: Factory, settings: Settings, ada: int
) -> None:
    for i in range(10):
        project = start_labeling(
            session_factory,
            settings,
            f"p{i}",
            total_budget=10,
            trigger={"retrain_after_seconds": 60},
        )
        first, last = lease(session_factory, settings, project, ada, 2)
        with transaction(session_factory) as session:
            give(settings, project, ada, [first])(session)
            session.execute(
                text(
                    "UPDATE rounds SET labeling_at = now() - interval '1 h' WHERE project_id = :p"
                ),
                {"p": project},
            )
        barrier = threading.Barrier(3)

        def sweep(_: int, barrier: threading.Barrier = barrier) -> None:
            barrier.wait(10)
            jobs.sweep(session_factory, settings)

        def answer(
            barrier: threading.Barrier = barrier, project: int = project, last: int = last
        ) -> Any:
            barrier.wait(10)
            with transaction(session_factory) as session:
                return give(settings, project, ada, [last])(session)

        with ThreadPoolExecutor(3) as pool:
            swept = pool.map(sweep, range(2))
            (outcome,) = pool.submit(answer).result()
            list(swept)
        assert outcome.status == AnswerStatus.CREATED
        assert count(session_factory, "SELECT max(number) FROM rounds WHERE project_id = :project",
                     project) == 1  # fmt: skip
    assert_promises(session_factory)
