"""Skips items that cannot be labeled: takes them out of their batch."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import batches, events
from app.db.tables import BatchSource, SkipReason
from app.domain.lease import slot_for_answer
from app.domain.states import BatchItemState
from app.services import gold
from app.services.answers import (
    Answers,
    AnswerStatus,
    Outcome,
    Refused,
    open_answers,
    set_item_state,
)
from app.services.lifecycle import advance


def submit_skips(  # noqa: PLR0913, PLR0917 - a request's parts
    session: Session,
    project_id: int,
    annotator_id: int,
    item_ids: Sequence[int],
    reason: SkipReason,
    settings: Settings,
    comment: str | None = None,
) -> list[Outcome]:
    """Take items out of their batch; return one outcome per item, in order.

    The next reserve item takes the place of a skipped batch item; without reserve the batch
    shrinks and the budget returns.

    Raises:
        ProjectNotAccepting: the project takes no answers in its state.
        AnnotatorPaused: this annotator is paused.
    """
    answers = open_answers(session, project_id, annotator_id, item_ids, settings)
    outcomes = answers.take(
        item_ids,
        lambda i: i,
        lambda i: _skip_one(answers, i, reason, comment),
        lambda i: gold.skip(answers, i),
    )
    answers.write()
    advance(session, answers.project, settings.job_max_attempts)
    return outcomes


def _skip_one(
    answers: Answers, item_id: int, reason: SkipReason, comment: str | None
) -> AnswerStatus:
    live = answers.state.live.get(item_id)
    if live is not None and live[0].state == BatchItemState.SKIPPED:
        return AnswerStatus.UNCHANGED
    batch_item, _ = answers.require_open(item_id)
    if answers.own_label(item_id) is not None:  # an answer first, then a skip: undo it before
        raise Refused("already_labeled", f"Item {item_id} has all the labels it needs.")
    slots = answers.state.slots[batch_item.id]
    is_adjudicator = answers.is_adjudicator
    if slot_for_answer(slots, answers.annotator_id, is_adjudicator=is_adjudicator) is None:
        raise Refused("leased_to_another", f"Item {item_id} is leased to another annotator.")
    set_item_state(batch_item, BatchItemState.SKIPPED, answers.now)
    batch_item.skip_reason = reason
    batch_item.skip_comment = comment
    batch_item.skipped_by = answers.annotator_id
    batch_item.is_requeued = False
    answers.project.n_skipped += 1
    if batch_item.source == BatchSource.BATCH:
        _promote_reserve(answers, batch_item.round_id)
    facts = {"item": item_id, "reason": reason, "comment": comment}
    events.append(answers.session, answers.project.id, "item.skipped", facts)
    return AnswerStatus.SKIPPED


def _promote_reserve(answers: Answers, round_id: int) -> None:
    """Let the round's best reserve item take a place in its batch."""
    answers.write()
    promoted = batches.promote_reserve(answers.session, round_id, 1)
    for batch_item, _ in answers.state.live.values():
        if batch_item.id in promoted:  # the request may skip it as well
            batch_item.source = BatchSource.BATCH
