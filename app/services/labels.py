"""Takes labels and withdraws them: idempotent, with history, refusals with a code."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import events
from app.db.queries.answers import BatchItemRow, LabelRow, Revision, SlotRow
from app.db.tables import BatchSource
from app.domain.class_settings import offered_index, offered_names
from app.domain.lease import is_committed, slot_for_answer
from app.domain.quotes import listed, shown
from app.domain.states import BatchItemState, ProjectState
from app.services import gold
from app.services.answers import Answers, AnswerStatus, Outcome, Refused, open_answers
from app.services.budget import budget_state
from app.services.consensus import resolve_item
from app.services.leases import after_freeing
from app.services.lifecycle import advance


@dataclass(frozen=True)
class LabelEntry:
    """One submitted label; `class_name` is not yet checked."""

    item_id: int
    class_name: str
    seconds: float | None = None


def submit_labels(
    session: Session,
    project_id: int,
    annotator_id: int,
    entries: Sequence[LabelEntry],
    settings: Settings,
) -> list[Outcome]:
    """Take the annotator's labels; return one outcome per entry, in order.

    The last label of a round completes it and creates the next round and its job in the same
    transaction. Sending a label again is `unchanged`, another class is `revised`.

    Raises:
        ProjectNotAccepting: the project takes no labels in its state.
        AnnotatorPaused: this annotator is paused.
    """
    item_ids = [entry.item_id for entry in entries]
    answers = open_answers(session, project_id, annotator_id, item_ids, settings)
    outcomes = answers.take(
        entries,
        lambda e: e.item_id,
        lambda e: _submit_one(answers, e),
        lambda e: gold.answer(answers, e.item_id, _class_index(answers, e)),
    )
    answers.write()
    if answers.gold:
        gold.pause_if_careless(session, answers.project, annotator_id, settings)
    advance(session, answers.project, settings.job_max_attempts)
    return outcomes


def withdraw_labels(
    session: Session,
    project_id: int,
    annotator_id: int,
    item_ids: Sequence[int],
    settings: Settings,
) -> list[Outcome]:
    """Undo the annotator's own labels; return one outcome per item, in order.

    The item is leased to the annotator again, for the next poll or another label; in
    a paused project it is free, and where others hold its last slots it stays theirs. Where the
    labels of others suffice it stays resolved. An item of a completed round becomes reserve, so
    that the round stays complete. No standing label: `unchanged`.

    Raises:
        ProjectNotAccepting: the project takes no answers in its state.
        AnnotatorPaused: this annotator is paused.
    """
    answers = open_answers(session, project_id, annotator_id, item_ids, settings)
    outcomes = answers.take(
        item_ids,
        lambda i: i,
        lambda i: _withdraw_one(answers, i),
        lambda i: gold.take_back(answers, i),
    )
    answers.write()
    after_freeing(session, answers.project, settings)
    return outcomes


def _submit_one(answers: Answers, entry: LabelEntry) -> AnswerStatus:
    class_index = _class_index(answers, entry)
    own = answers.own_label(entry.item_id)
    if own is None:
        _create_label(answers, entry, class_index)
        return AnswerStatus.CREATED
    if own.class_index == class_index:
        return AnswerStatus.UNCHANGED
    answers.state.revisions.append(Revision(own.item_id, own.annotator_id, own.class_index))
    own.class_index = class_index
    own.revised_at = answers.now
    resolve_item(answers, entry.item_id)
    return AnswerStatus.REVISED


def _class_index(answers: Answers, entry: LabelEntry) -> int:
    project = answers.project
    found = offered_index(project.classes, project.class_settings, entry.class_name)
    if found is None:
        classes = offered_names(project.classes, project.class_settings)
        raise Refused(
            "unknown_class",
            f"There is no class {shown(entry.class_name)}; use one of {listed(classes)}.",
        )
    return found


def _create_label(answers: Answers, entry: LabelEntry, class_index: int) -> None:
    batch_item, round_ = answers.require_open(entry.item_id)
    slot = _slot_to_fill(answers, batch_item)
    slot.leased_by = answers.annotator_id
    slot.leased_until = None
    slot.filled = True
    for other in answers.state.slots[batch_item.id]:
        if other is not slot and other.reserved_for == answers.annotator_id:
            other.reserved_for = None  # nobody else could take it
    project = answers.project
    known = project.n_labeled + project.n_imported
    label = LabelRow(
        project_id=project.id,
        item_id=entry.item_id,
        annotator_id=answers.annotator_id,
        batch_item_id=batch_item.id,
        class_index=class_index,
        seconds=entry.seconds,
        labels_behind=max(0, known - (round_.n_labeled or 0)),
        on_reserve=batch_item.source == BatchSource.RESERVE,
        is_adjudication=slot.for_adjudicator,
    )
    answers.state.given[entry.item_id].append(label)
    resolve_item(answers, entry.item_id)


def _slot_to_fill(answers: Answers, batch_item: BatchItemRow) -> SlotRow:
    slots = answers.state.slots[batch_item.id]
    slot = slot_for_answer(slots, answers.annotator_id, is_adjudicator=answers.is_adjudicator)
    if slot is None:
        raise Refused(
            "leased_to_another",
            f"Item {batch_item.item_id} is leased to another annotator; ask next-batch for others.",
        )
    is_new = not (batch_item.is_requeued or is_committed(slots))
    if batch_item.source == BatchSource.RESERVE and is_new:
        answers.write()
        if budget_state(answers.session, answers.project).left_for_reserve <= 0:
            raise Refused(
                "budget_spent",
                f"The total budget leaves no room for reserve item {batch_item.item_id}.",
            )
    return slot


def _withdraw_one(answers: Answers, item_id: int) -> AnswerStatus:
    own = answers.own_label(item_id)
    if own is None:
        return AnswerStatus.UNCHANGED
    answers.state.given[item_id].remove(own)
    facts = {"item": item_id, "annotator": answers.annotator_id}
    events.append(answers.session, answers.project.id, "label.withdrawn", facts)
    batch_item, _ = answers.state.live[item_id]
    slot = next(
        s
        for s in answers.state.slots[batch_item.id]
        if s.leased_by == answers.annotator_id and s.filled
    )
    slot.filled, slot.leased_by = False, None
    if batch_item.state == BatchItemState.SKIPPED:
        return AnswerStatus.WITHDRAWN  # another annotator has skipped it meanwhile
    resolve_item(answers, item_id)
    if batch_item.state == BatchItemState.LABELED:
        return AnswerStatus.WITHDRAWN  # the labels of the others suffice
    if answers.project.state == ProjectState.RUNNING:
        _lease_again(answers, batch_item)
    return AnswerStatus.WITHDRAWN


def _lease_again(answers: Answers, batch_item: BatchItemRow) -> None:
    """Lease a slot of the item to the annotator, unless others hold all that are left."""
    slots = answers.state.slots[batch_item.id]
    slot = slot_for_answer(slots, answers.annotator_id, is_adjudicator=answers.is_adjudicator)
    if slot is None:
        return
    seconds = answers.settings.annotation_lease_seconds
    slot.leased_by = answers.annotator_id
    slot.leased_until = answers.now + timedelta(seconds=seconds)
