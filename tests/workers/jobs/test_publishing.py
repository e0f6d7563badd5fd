"""A round's batch is written before it is published, and its snapshot read while others label."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import labels, projects, rounds
from app.db.queries.batches import RankedItem
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from app.db.tables import BatchItem, BatchSource
from app.domain.states import BatchItemState, RoundState
from app.services import job_results
from app.services.job_results import Selection
from app.services.leases import next_batch
from models.seconds import PartSeconds, Spent
from tests.projects import TINY, ServedProject
from workers.jobs.snapshot import gather_snapshot

Factory = sessionmaker[Session]


@pytest.fixture
def started(session_factory: Factory, settings: Settings) -> ServedProject:
    served = ServedProject(session_factory, settings, TINY["text"])
    served.add(range(40))
    served.start()
    return served


def in_order(first: int, end: int) -> list[RankedItem]:
    return [RankedItem(i, -float(i)) for i in range(first, end)]


def batch_items(served: ServedProject, number: int) -> list[BatchItem]:
    """Return a round's items by rank; nothing contradicts a promise."""
    with transaction(served.factory) as session:
        assert list(find_violations(session)) == []
        statement = select(BatchItem).where(BatchItem.round_id == served.round_(number).id)
        return list(session.scalars(statement.order_by(BatchItem.rank)))


def test_nobody_sees_a_staged_batch_and_the_next_attempt_replaces_it(
    started: ServedProject,
) -> None:
    claimed = started.claim()
    for _ in range(2):  # an attempt that died, and another one
        with transaction(started.factory) as session:
            job_results.stage_batch(session, claimed, in_order(0, 40))
    assert len(batch_items(started, 0)) == 40
    with transaction(started.factory) as session:
        assert next_batch(session, started.id, started.ada, 5, started.settings).items == []
        assert rounds.ranked_page(session, started.round_(0).id, -1, 10) == []
    started.do_job(claimed)
    assert started.round_(0).state == RoundState.LABELING
    items = batch_items(started, 0)
    assert [item.rank for item in items] == [*range(40)]
    assert {item.state for item in items} == {BatchItemState.OPEN}
    assert sum(item.source == BatchSource.BATCH for item in items) == 6
    assert len(started.label(6)) == 6


def test_items_labeled_since_a_batch_was_staged_are_replaced_by_the_next(
    started: ServedProject,
) -> None:
    started.do_job()
    started.label(6)
    claimed = started.claim()
    left = sorted({*range(40)} - {*_labeled(started)})
    ranked = [RankedItem(i, -float(rank)) for rank, i in enumerate(left)]
    with transaction(started.factory) as session:
        job_results.begin_selecting(session, claimed)
        job_results.stage_batch(session, claimed, ranked)
    meanwhile = started.label(3)  # of the reserve, which is handed out until the end
    with transaction(started.factory) as session:
        selection = Selection(
            ranked,
            6,
            PartSeconds({"selection": 1.0}, {"selection": 0.5}),
            "0",
            clock=lambda: Spent(0.25, 0.125),
        )
        job_results.publish_selection(session, claimed, selection, started.settings)
    items = batch_items(started, 1)
    assert [item.rank for item in items] == [*range(31)]
    assert sum(item.source == BatchSource.BATCH for item in items) == 6
    assert not {*meanwhile} & {*started.label(12)}
    round_ = started.round_(1)
    assert round_.seconds == {"selection": 1.0, "publishing": 0.25}
    assert round_.cpu_seconds == {"selection": 0.5, "publishing": 0.125}


def _labeled(served: ServedProject) -> list[int]:
    with transaction(served.factory) as session:
        index, _ = labels.resolved_arrays(session, served.id)
    return [int(i) for i in index]


def test_the_snapshot_is_read_while_the_project_is_free(
    started: ServedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    was_free = []

    def gathering(*args: Any) -> Any:
        with transaction(started.factory) as session:
            was_free.append(projects.lock_if_free(session, started.id) is not None)
        return gather_snapshot(*args)

    monkeypatch.setattr("workers.jobs.opening.gather_snapshot", gathering)
    started.do_job()
    assert was_free == [True]


def test_labels_given_while_the_snapshot_is_read_are_of_the_next_one(
    started: ServedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    started.do_job()
    started.label(6)
    n_labeled = []

    def gathering(*args: Any) -> Any:
        started.label(2)
        arrays = gather_snapshot(*args)
        n_labeled.append(len(arrays["labeled_index"]))
        return arrays

    monkeypatch.setattr("workers.jobs.opening.gather_snapshot", gathering)
    started.do_job()
    assert n_labeled == [6]
    assert started.model_of(1).n_labeled == 6
