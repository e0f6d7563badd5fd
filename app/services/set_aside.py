"""Sets unreadable items aside, and takes them back once they can be read.

A round continues without them: no selection, training or evaluation uses an item while it is set
aside. No answer of an annotator is lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import annotators, batches, events, gold, projects, set_aside
from app.db.queries.set_aside import Unreadable
from app.db.tables import BatchSource, Item, Project, SkipReason
from app.domain.errors import ArtifactMissing
from app.domain.states import LABEL_ACCEPTING_PROJECT_STATES, BatchItemState
from app.services.answers import ITEMS_AT_ONCE, NOBODY, Answers, read_answers, set_item_state
from app.services.budget import budget_state
from app.services.consensus import resolve_item
from app.services.images import read_image
from app.services.leases import after_freeing, release_expired
from app.storage.artifacts import ArtifactStore

MAX_NAMED = 100  # ids in an event


@dataclass(frozen=True)
class Retried:
    """The outcome of reading items again: ids that can be read, and the others with reasons."""

    readable: list[int]
    unreadable: list[Unreadable]


def set_items_aside(
    session: Session, project_id: int, unreadable: Sequence[Unreadable], settings: Settings
) -> int:
    """Set items aside that cannot be read; return how many were not before.

    An item of an open batch leaves it, and the next reserve item takes its place. An item with
    answers leaves like a skipped one, so that it keeps them. Gold is taken from whoever holds it.
    """
    project = projects.lock(session, project_id)
    release_expired(session, project, settings)
    new = []
    for start in range(0, len(unreadable), ITEMS_AT_ONCE):
        part = set_aside.add(session, project_id, unreadable[start : start + ITEMS_AT_ONCE])
        _take_out_of_batches(session, project, part, settings)
        gold.release_items(session, part)
        new += part
    if not new:
        return 0
    facts = {"n": len(new), "items": new[:MAX_NAMED], "reason": unreadable[0].reason}
    events.append(session, project_id, "items.set_aside", facts)
    after_freeing(session, project, settings)
    return len(new)


def read_again(items: Sequence[Item], store: ArtifactStore, settings: Settings) -> Retried:
    """Try to read items that are set aside; needs no transaction, and may take long."""
    readable, unreadable = [], []
    for item in items:
        try:
            if item.content_hash is not None:
                read_image(store, settings, item)
        except ArtifactMissing as error:
            unreadable.append(Unreadable(item.id, error.detail))
        else:
            readable.append(item.id)
    return Retried(readable, unreadable)


def take_back(session: Session, project_id: int, retried: Retried, settings: Settings) -> int:
    """Use items that can be read again for selection and training; return how many.

    An item with answers becomes reserve if the budget has room for it; otherwise it stays skipped.
    """
    project = projects.lock(session, project_id)
    release_expired(session, project, settings)
    set_aside.note_again(session, retried.unreadable)
    back = set_aside.remove(session, project_id, retried.readable)
    if not back:
        return 0
    if project.state in LABEL_ACCEPTING_PROJECT_STATES:
        answers = _answers(session, project, back, settings)
        for item_id in back:
            _reopen(answers, item_id)
        answers.write()
    events.append(session, project_id, "items.taken_back", {"n": len(back)})
    after_freeing(session, project, settings)
    return len(back)


def _answers(
    session: Session, project: Project, item_ids: Sequence[int], settings: Settings
) -> Answers:
    paused = annotators.paused(session, project.id)
    return read_answers(session, project, NOBODY, item_ids, settings, paused)


def _take_out_of_batches(
    session: Session, project: Project, item_ids: Sequence[int], settings: Settings
) -> None:
    answers = _answers(session, project, item_ids, settings)
    left: dict[int, int] = {}  # places that became free, by round
    for batch_item, _ in answers.state.live.values():
        if batch_item.state != BatchItemState.OPEN:
            continue
        slots = answers.state.slots[batch_item.id]
        if any(slot.filled for slot in slots):
            set_item_state(batch_item, BatchItemState.SKIPPED, answers.now)
            batch_item.skip_reason = SkipReason.UNREADABLE
            project.n_skipped += 1
        else:
            set_item_state(batch_item, BatchItemState.WITHDRAWN, answers.now)
        for slot in slots:
            if not slot.filled:
                slot.leased_by, slot.leased_until, slot.reserved_for = None, None, None
        batch_item.is_requeued = False
        if batch_item.source == BatchSource.BATCH:
            left[batch_item.round_id] = left.get(batch_item.round_id, 0) + 1
    answers.write()
    for round_id, n in left.items():
        batches.promote_reserve(session, round_id, n)


def _reopen(answers: Answers, item_id: int) -> None:
    """Reopen an answered item that left its batch because it could not be read."""
    live = answers.state.live.get(item_id)
    if live is None:
        return
    batch_item, _ = live
    is_ours = batch_item.skip_reason == SkipReason.UNREADABLE and batch_item.skipped_by is None
    if batch_item.state != BatchItemState.SKIPPED or not is_ours:
        return
    answers.write()
    if budget_state(answers.session, answers.project).left_for_reserve <= 0:
        return
    set_item_state(batch_item, BatchItemState.OPEN, answers.now)
    batch_item.skip_reason, batch_item.source = None, BatchSource.RESERVE
    answers.project.n_skipped -= 1
    resolve_item(answers, item_id)
