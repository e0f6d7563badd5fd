"""Twenty annotators and a real worker whose training takes as long as their labeling."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import labels as label_queries
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from app.db.tables import Project
from app.domain.states import ProjectState
from app.services.budget import budget_state
from app.services.labels import LabelEntry, submit_labels
from app.services.leases import next_batch
from app.services.lifecycle import start_project
from app.services.prepared_items import ItemIn
from app.services.projects import ModelChoice
from tests.loop import annotator, create_draft, import_lines
from tests.support import wait_for

Factory = sessionmaker[Session]
N_ANNOTATORS = 20
SECONDS_PER_LABEL = 0.5
POLL_SIZE = 3
ROUND_BUDGET = 80
TOTAL_BUDGET = 480
RESERVE = 320


@dataclass
class Polls:
    """Facts that all annotators saw together."""

    n: int = 0
    n_empty: int = 0
    n_idle: int = 0  # empty twice in a row while the total budget had room
    errors: list[BaseException] = field(default_factory=list)


@pytest.fixture
def project_id(session_factory: Factory, settings: Settings) -> int:
    """A running project of 1,200 texts with some labels known, so that round 0 trains."""
    proxy = ModelChoice("fasttext", {"epochs": 80, "buckets": 20_000})
    rng = np.random.default_rng(0)
    lines = [
        ItemIn(
            external_id=f"t{i}",
            class_name="ab"[i % 2] if i < 40 else None,
            text=" ".join(f"w{w}" for w in rng.integers(0, 500, 60)),
        )
        for i in range(1200)
    ]
    with transaction(session_factory) as session:
        project = create_draft(
            session, proxy=proxy, strategy="entropy", seed=3, initial_budget=ROUND_BUDGET,
            round_budget=ROUND_BUDGET, total_budget=TOTAL_BUDGET, reserve=RESERVE,
        )  # fmt: skip
        import_lines(session, settings, project.id, lines)
        start_project(session, project.id)
    return project.id


def annotate(factory: Factory, settings: Settings, project_id: int, who: int, seen: Polls) -> None:
    """Poll, take the time that labels take, hand them in; until labeling has ended.

    One empty poll is not idleness: another, not committed yet, may just have taken the last slots.
    """
    had_room = False
    while True:
        with transaction(factory) as session:
            batch = next_batch(session, project_id, who, POLL_SIZE, settings)
            if batch.project.state != ProjectState.RUNNING:
                return
            seen.n += 1
            budget = budget_state(session, batch.project)
            has_room = not batch.items and budget.labeled + budget.committed < budget.total
            seen.n_empty += not batch.items
            seen.n_idle += had_room and has_room
            had_room = has_room
        time.sleep(SECONDS_PER_LABEL * max(1, len(batch.items)))
        entries = [LabelEntry(leased.item.id, "ab"[leased.item.id % 2]) for leased in batch.items]
        if entries:
            with transaction(factory) as session:
                submit_labels(session, project_id, who, entries, settings)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_annotator_is_idle_while_the_proxy_trains(
    session_factory: Factory,
    settings: Settings,
    project_id: int,
    start_worker: Callable[[], object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    start_worker()

    def published() -> bool:
        with transaction(session_factory) as session:
            return bool(
                session.scalar(text("SELECT count(*) FROM rounds WHERE labeling_at IS NOT NULL"))
            )

    wait_for(published, 60)
    seen = Polls()

    def run(who: int) -> None:
        try:
            annotate(session_factory, settings, project_id, who, seen)
        except BaseException as error:  # noqa: BLE001 - reported by the test's thread
            seen.errors.append(error)

    people = [annotator(session_factory, f"annotator-{i}") for i in range(N_ANNOTATORS)]
    threads = [threading.Thread(target=run, args=(who,)) for who in people]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(200)
    rate = TOTAL_BUDGET / (time.monotonic() - began)
    with transaction(session_factory) as session:
        assert list(find_violations(session)) == []
        assert session.get_one(Project, project_id).n_labeled == TOTAL_BUDGET
        work = label_queries.work_by_annotator(session, project_id)
        select_seconds = session.scalars(
            text(
                "SELECT extract(epoch FROM labeling_at - created_at) FROM rounds "
                "WHERE number > 0 AND labeling_at IS NOT NULL"
            )
        ).all()
    assert seen.errors == []
    assert rate * float(max(select_seconds)) <= RESERVE, "the premise: reserve covers a training"
    assert seen.n_idle == 0
    on_reserve = sum(w.n_on_reserve for w in work) / TOTAL_BUDGET
    behind = float(np.median([w.labels_behind_median for w in work]))
    with capsys.disabled():
        print(  # noqa: T201 - the issue asks for these figures
            f"\n{rate:.0f} labels/s, {float(np.median(select_seconds)):.1f} s from a round's end "
            f"to its successor's batch ({ROUND_BUDGET / rate:.1f} s to label one); {seen.n} polls, "
            f"{seen.n_idle} idle; {on_reserve:.0%} of the labels on stale rankings, median "
            f"{behind:.0f} labels behind"
        )
