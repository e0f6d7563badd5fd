"""Erases items: their content and labels go for good, their places in the index stay.

An erased item is set aside for ever: no selection, training or measurement uses it, and nobody gets
it. Models that learned its label are stale. Stored images, packs, sent files and exports
follow in the background (app.services.deletions, workers.jobs.copies).
"""

from collections.abc import Sequence

from sqlalchemy import func
from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import (
    batches,
    erasures,
    events,
    gold,
    label_exports,
    models,
    projects,
    set_aside,
)
from app.db.queries.set_aside import Unreadable
from app.db.tables import BatchSource, Project
from app.domain.states import BatchItemState
from app.services.answers import ITEMS_AT_ONCE, NOBODY, Answers, read_answers, set_item_state
from app.services.leases import after_freeing, release_expired
from app.services.packing import request_packing

MAX_NAMED = 100  # ids in an event
ERASED = "erased"


def erase_items(
    session: Session, project_id: int, item_ids: Sequence[int], settings: Settings
) -> int:
    """Erase items of a project in any state; return how many. Others are left as they are.

    Raises:
        NotFound: no such project.
    """
    project = projects.lock(session, project_id, even_archived=True)
    release_expired(session, project, settings)
    found = [item.id for item in erasures.of_project(session, project_id, item_ids)]
    for start in range(0, len(found), ITEMS_AT_ONCE):
        _erase(session, project, found[start : start + ITEMS_AT_ONCE], settings)
    if found:
        project.erased_at = func.now()
        label_exports.expire_project(session, project_id)
        facts = {"n": len(found), "items": found[:MAX_NAMED]}
        events.append(session, project_id, "items.erased", facts)
        request_packing(session, project, settings.job_max_attempts)
        after_freeing(session, project, settings)
    return len(found)


def _erase(session: Session, project: Project, item_ids: Sequence[int], settings: Settings) -> None:
    _leave_batches(session, project, item_ids, settings)
    version = erasures.forget_resolved(session, project, item_ids)
    if version is not None:
        models.mark_stale(session, project.id, version)
    erasures.forget_answers(session, item_ids)
    erasures.discard_content(session, item_ids)
    erasures.blank(session, item_ids)
    set_aside.add(session, project.id, [Unreadable(item_id, ERASED) for item_id in item_ids])


def _leave_batches(
    session: Session, project: Project, item_ids: Sequence[int], settings: Settings
) -> None:
    """Withdraw the items from their batches; reserve takes the places that became free."""
    gold.release_items(session, item_ids)
    answers = read_answers(session, project, NOBODY, item_ids, settings, ())
    left = withdraw_from_batches(answers)
    answers.write()
    for round_id, n in left.items():
        batches.promote_reserve(session, round_id, n)


def withdraw_from_batches(answers: Answers) -> dict[int, int]:
    """Withdraw all labels and places of the items; return round -> places that became free."""
    left: dict[int, int] = {}
    for item_id, (batch_item, _) in answers.state.live.items():
        answers.state.given[item_id] = []
        if batch_item.state == BatchItemState.OPEN and batch_item.source == BatchSource.BATCH:
            left[batch_item.round_id] = left.get(batch_item.round_id, 0) + 1
        if batch_item.state == BatchItemState.SKIPPED:
            answers.project.n_skipped -= 1
        if batch_item.state != BatchItemState.OPEN:
            set_item_state(batch_item, BatchItemState.OPEN, answers.now)
        set_item_state(batch_item, BatchItemState.WITHDRAWN, answers.now)
        batch_item.is_requeued, batch_item.skip_reason = False, None
        batch_item.skip_comment, batch_item.skipped_by = None, None
        for slot in answers.state.slots[batch_item.id]:
            slot.filled, slot.leased_by = False, None
            slot.leased_until, slot.reserved_for = None, None
    return left
