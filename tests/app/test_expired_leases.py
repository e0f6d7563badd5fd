"""Everything that lets a project continue frees expired leases first: the next round is whole."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import rounds
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from app.services import jobs
from app.services.annotators import pause_annotator
from app.services.labels import LabelEntry, submit_labels, withdraw_labels
from app.services.leases import next_batch, release_leases, renew_leases
from app.services.lifecycle import pause_project, resume_project
from app.services.project_settings import change_project
from app.services.requeue import reassign_items, requeue_items
from app.services.set_aside import Retried, take_back
from tests.loop import Factory, annotator, expire_leases, import_texts, start_labeling


class Waiting:
    """A project whose batch is labeled and whose last budget bob holds; his leases have ended."""

    def __init__(self, factory: Factory, settings: Settings, *, pauses: bool) -> None:
        self.factory, self.settings = factory, settings
        self.project = start_labeling(factory, settings, "p", 12, total_budget=5)
        self.ada, self.bob, self.cleo = (annotator(factory, x) for x in ("ada", "bob", "cleo"))
        batch = self.lease(self.ada, 2)
        self.held = self.lease(self.bob, 2)
        if pauses:
            self.use(lambda s: pause_project(s, self.project))
        entries = [LabelEntry(item, "a") for item in batch[:1]]
        self.use(lambda s: submit_labels(s, self.project, self.ada, entries, settings))
        self.last = batch[1]

    def use(self, use: Callable[[Session], Any]) -> Any:
        with transaction(self.factory) as session:
            return use(session)

    def lease(self, who: int, size: int) -> list[int]:
        found = self.use(lambda s: next_batch(s, self.project, who, size, self.settings))
        return [leased.item.id for leased in found.items]

    def label_last(self, session: Session) -> None:
        """Complete the round in this transaction, which frees nothing by itself."""
        entry = [LabelEntry(self.last, "a")]
        submit_labels(session, self.project, self.ada, entry, self.settings)

    def next_budget(self) -> int | None:
        found = self.use(lambda s: rounds.get(s, self.project, 1))
        return None if found is None else found.budget


# What finds the project without a round, while the budget seems to be in bob's hands.
WAKINGS: dict[str, Callable[[Waiting, Session], object]] = {
    "poll": lambda w, s: next_batch(s, w.project, w.cleo, 1, w.settings),
    "renew": lambda w, s: renew_leases(s, w.project, w.cleo, None, w.settings),
    "release": lambda w, s: release_leases(s, w.project, w.cleo, None, w.settings),
    "undo": lambda w, s: withdraw_labels(s, w.project, w.cleo, [w.last], w.settings),
    "import": lambda w, s: import_texts(s, w.settings, w.project, ["new"]),
    "change": lambda w, s: change_project(s, w.project, {"reserve": 3}, w.settings),
    "requeue": lambda w, s: requeue_items(s, w.project, [0], w.settings),
    "reassign": lambda w, s: reassign_items(s, w.project, [0], None, w.settings),
    "pause of an annotator": lambda w, s: pause_annotator(s, w.project, "cleo", "x", w.settings),
    "retry of set-aside items": lambda w, s: take_back(s, w.project, Retried([], []), w.settings),
}


def test_the_last_label_makes_a_whole_one(session_factory: Factory, settings: Settings) -> None:
    waiting = Waiting(session_factory, settings, pauses=False)
    expire_leases(session_factory, waiting.project, waiting.bob)
    waiting.use(waiting.label_last)
    assert waiting.next_budget() == 2
    waiting.use(_check)


def test_a_project_that_is_resumed_makes_a_whole_one(
    session_factory: Factory, settings: Settings
) -> None:
    waiting = Waiting(session_factory, settings, pauses=True)
    waiting.use(waiting.label_last)
    expire_leases(session_factory, waiting.project, waiting.bob)
    waiting.use(lambda s: resume_project(s, waiting.project))
    assert waiting.next_budget() == 2


@pytest.mark.parametrize("waking", WAKINGS.values(), ids=WAKINGS)
def test_what_finds_a_project_waiting_for_leases_that_have_ended_lets_it_go_on(
    session_factory: Factory, settings: Settings, waking: Callable[[Waiting, Session], object]
) -> None:
    waiting = Waiting(session_factory, settings, pauses=False)
    waiting.use(lambda s: change_project(s, waiting.project, {"total_budget": 4}, settings))
    waiting.use(waiting.label_last)
    assert waiting.next_budget() is None
    expire_leases(session_factory, waiting.project, waiting.bob)
    waiting.use(lambda s: waking(waiting, s))
    assert waiting.next_budget() == 2
    waiting.use(_check)


def test_a_sweep_lets_a_waiting_project_go_on(session_factory: Factory, settings: Settings) -> None:
    waiting = Waiting(session_factory, settings, pauses=False)
    waiting.use(lambda s: change_project(s, waiting.project, {"total_budget": 4}, settings))
    waiting.use(waiting.label_last)
    expire_leases(session_factory, waiting.project, waiting.bob)
    assert jobs.sweep(session_factory, settings).freed_leases == 2
    assert waiting.next_budget() == 2


def _check(session: Session) -> None:
    assert list(find_violations(session)) == []
