"""Hands items out again, to everybody or to a named annotator."""

from collections.abc import Collection, Sequence

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import annotators, events
from app.db.queries import gold as gold_queries
from app.db.queries.answers import SlotRow
from app.db.tables import Project
from app.domain.annotation import labels_wanted
from app.domain.errors import AnnotatorPaused, NotFound
from app.domain.lease import is_committed
from app.domain.names import normalised
from app.domain.states import BatchItemState
from app.services.answers import (
    ITEMS_AT_ONCE,
    NOBODY,
    Answers,
    AnswerStatus,
    Outcome,
    Refused,
    lock_accepting,
    read_answers,
)
from app.services.consensus import resolve_item
from app.services.leases import after_freeing


def requeue_items(
    session: Session, project_id: int, item_ids: Sequence[int], settings: Settings
) -> list[Outcome]:
    """Withdraw all labels of these items and hand them out again; return one outcome per item.

    The labels stay as history. An item keeps its place in the budget until it is labeled again.

    Raises:
        ProjectNotAccepting: the project takes no answers in its state.
    """
    project = lock_accepting(session, project_id, settings)
    outcomes = _requeue(session, project, item_ids, settings)
    after_freeing(session, project, settings)
    return outcomes


def requeue(session: Session, project: Project, item_ids: Sequence[int], settings: Settings) -> int:
    """Hand these items out again, those that may be; return how many. Expects the lock."""
    n = 0
    for start in range(0, len(item_ids), ITEMS_AT_ONCE):
        outcomes = _requeue(session, project, item_ids[start : start + ITEMS_AT_ONCE], settings)
        n += sum(outcome.status is AnswerStatus.REQUEUED for outcome in outcomes)
    return n


def _requeue(
    session: Session, project: Project, item_ids: Sequence[int], settings: Settings
) -> list[Outcome]:
    answers = _of_admin(session, project, item_ids, settings)
    is_gold = gold_queries.known(session, item_ids)
    outcomes = answers.take(item_ids, lambda i: i, lambda i: _requeue_one(answers, i, is_gold))
    answers.write()
    return outcomes


def reassign_items(
    session: Session,
    project_id: int,
    item_ids: Sequence[int],
    annotator_name: str | None,
    settings: Settings,
) -> list[Outcome]:
    """Reserve a label of each of these open items for one annotator; return one outcome per item.

    Whoever holds that slot loses the lease. None: the items are open to everybody again.

    Raises:
        NotFound: there is no annotator of this name.
        ProjectNotAccepting: the project takes no answers in its state.
        AnnotatorPaused: the annotator is paused.
    """
    project = lock_accepting(session, project_id, settings)
    annotator_id = None
    if annotator_name is not None:
        annotator_id = _active_annotator(session, project, annotator_name)
    answers = _of_admin(session, project, item_ids, settings)
    outcomes = answers.take(
        item_ids, lambda i: i, lambda i: _reassign_one(answers, i, annotator_id)
    )
    answers.write()
    after_freeing(session, project, settings)
    return outcomes


def _of_admin(
    session: Session, project: Project, item_ids: Sequence[int], settings: Settings
) -> Answers:
    paused = annotators.paused(session, project.id)
    return read_answers(session, project, NOBODY, item_ids, settings, paused)


def _active_annotator(session: Session, project: Project, name: str) -> int:
    annotator = annotators.by_name(session, normalised(name))
    if annotator is None:
        raise NotFound("annotator", name)
    reason = annotators.paused(session, project.id).get(annotator.id)
    if reason is not None:
        raise AnnotatorPaused(f"{name} is paused in project {project.id}: {reason} Resume them.")
    return annotator.id


def _requeue_one(answers: Answers, item_id: int, is_gold: Collection[int]) -> AnswerStatus:
    if item_id not in answers.state.live:
        raise Refused("not_in_batch", f"Item {item_id} was not handed out: nothing to hand again.")
    if item_id in is_gold:
        raise Refused("is_gold", f"Item {item_id} is gold; remove it from the gold items first.")
    batch_item, _ = answers.state.live[item_id]
    if batch_item.state == BatchItemState.SKIPPED:
        raise Refused("already_skipped", f"Item {item_id} was skipped and left its batch.")
    slots = answers.state.slots[batch_item.id]
    is_open = batch_item.state == BatchItemState.OPEN
    if is_open and not batch_item.is_requeued and not is_committed(slots):
        raise Refused("nothing_to_requeue", f"Item {item_id} has no label and nobody holds it.")
    answers.state.given[item_id] = []
    for slot in slots:
        slot.filled, slot.leased_by, slot.leased_until, slot.reserved_for = False, None, None, None
    batch_item.labels_wanted = labels_wanted(
        answers.options,
        answers.project.labels_per_item,
        answers.project.seed,
        answers.state.items[item_id],
    )
    resolve_item(answers, item_id)
    batch_item.is_requeued = True
    events.append(answers.session, answers.project.id, "item.requeued", {"item": item_id})
    return AnswerStatus.REQUEUED


def _reassign_one(answers: Answers, item_id: int, annotator_id: int | None) -> AnswerStatus:
    batch_item, _ = answers.require_open(item_id)
    all_slots = answers.state.slots[batch_item.id]
    slots = [slot for slot in all_slots if not slot.filled]
    if annotator_id is None:
        for slot in slots:
            slot.reserved_for = None
        return AnswerStatus.REASSIGNED
    if any(
        slot.leased_by == annotator_id and slot.filled
        for slot in answers.state.slots[batch_item.id]
    ):
        raise Refused("already_labeled", f"This annotator has labeled item {item_id}.")
    ordinary = [slot for slot in slots if not slot.for_adjudicator or _may(answers, annotator_id)]
    if not ordinary:
        raise Refused("wants_adjudicator", f"Item {item_id} waits for an adjudicator.")
    slot = _slot_to_keep(ordinary, annotator_id)
    if slot.leased_by != annotator_id:
        slot.leased_by, slot.leased_until = None, None
    slot.reserved_for = annotator_id
    facts = {"item": item_id, "annotator": annotator_id}
    events.append(answers.session, answers.project.id, "item.reassigned", facts)
    return AnswerStatus.REASSIGNED


def _may(answers: Answers, annotator_id: int) -> bool:
    return annotator_id in answers.adjudicators


def _slot_to_keep(slots: Sequence[SlotRow], annotator_id: int) -> SlotRow:
    """Return the slot that the annotator has already, or a free one, or somebody else's."""
    return min(
        slots,
        key=lambda s: (
            s.leased_by != annotator_id,
            s.reserved_for != annotator_id,
            s.leased_by is not None,
            s.reserved_for not in (None, annotator_id),
            s.slot,
        ),
    )
