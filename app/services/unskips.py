"""Reopens skipped items, for an annotator who can label one after all."""

from collections.abc import Collection, Sequence

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import annotators, events
from app.db.tables import BatchSource
from app.domain.states import BatchItemState
from app.services.answers import (
    NOBODY,
    Answers,
    AnswerStatus,
    Outcome,
    Refused,
    lock_accepting,
    read_answers,
    set_item_state,
)
from app.services.budget import budget_state
from app.services.consensus import resolve_item


def reopen_skipped(
    session: Session,
    project_id: int,
    item_ids: Sequence[int],
    skipped_by: Collection[int],
    settings: Settings,
) -> list[Outcome]:
    """Reopen items that one of these annotators has skipped; return one outcome per item.

    An item becomes reserve: another one may have taken its place in the batch. Expects the caller
    to lease or label it in the same transaction, and to let the project go on.

    Raises:
        ProjectNotAccepting: the project takes no answers in its state.
    """
    project = lock_accepting(session, project_id, settings)
    paused = annotators.paused(session, project_id)
    answers = read_answers(session, project, NOBODY, item_ids, settings, paused)
    outcomes = answers.take(item_ids, lambda i: i, lambda i: _reopen(answers, i, skipped_by))
    answers.write()
    return outcomes


def _reopen(answers: Answers, item_id: int, skipped_by: Collection[int]) -> AnswerStatus:
    live = answers.state.live.get(item_id)
    if live is None or live[0].state != BatchItemState.SKIPPED:
        return AnswerStatus.UNCHANGED
    batch_item = live[0]
    if batch_item.skipped_by not in skipped_by:
        raise Refused("already_skipped", f"Item {item_id} was skipped and left its batch.")
    answers.write()
    if budget_state(answers.session, answers.project).left_for_reserve <= 0:
        raise Refused(
            "budget_spent", f"The total budget leaves no room for the skipped item {item_id}."
        )
    set_item_state(batch_item, BatchItemState.OPEN, answers.now)
    batch_item.skip_reason = batch_item.skip_comment = batch_item.skipped_by = None
    batch_item.source = BatchSource.RESERVE
    answers.project.n_skipped -= 1
    resolve_item(answers, item_id)
    facts = {"item": item_id}
    events.append(answers.session, answers.project.id, "item.unskipped", facts)
    return AnswerStatus.REQUEUED
