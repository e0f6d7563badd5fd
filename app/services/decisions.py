"""Decisions: a lead says of which class items are, whatever annotators gave."""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import annotators, events
from app.db.queries.answers import BatchItemRow, LabelRow, Revision, RoundFacts, SlotRow
from app.domain.class_settings import offered_index, offered_names
from app.domain.quotes import listed, shown
from app.domain.states import BatchItemState
from app.services.answers import (
    Answers,
    AnswerStatus,
    Outcome,
    Refused,
    lock_accepting,
    read_answers,
)
from app.services.consensus import resolve_item
from app.services.leases import after_freeing


def decide_labels(
    session: Session,
    project_id: int,
    lead_id: int,
    classes: Mapping[int, str],
    settings: Settings,
) -> list[Outcome]:
    """Give items the class that a lead decides on, as an adjudication; return an outcome for each.

    Labels of annotators stay as history and no longer count against it. A decision can be revised
    by whoever made it. Models that learned another class become stale.

    Args:
        session: in a transaction.
        project_id: the project.
        lead_id: who decides, among the annotators.
        classes: item id -> the class.
        settings: of this machine.

    Raises:
        ProjectNotAccepting: the project takes no labels in its state.
    """
    project = lock_accepting(session, project_id, settings)
    paused = annotators.paused(session, project_id)
    answers = read_answers(session, project, lead_id, list(classes), settings, paused)
    outcomes = answers.take(classes.items(), lambda e: e[0], lambda e: _decide(answers, *e))
    answers.write()
    after_freeing(session, project, settings)
    return outcomes


def _decide(answers: Answers, item_id: int, class_name: str) -> AnswerStatus:
    project = answers.project
    index = offered_index(project.classes, project.class_settings, class_name)
    if index is None:
        classes = listed(offered_names(project.classes, project.class_settings))
        raise Refused(
            "unknown_class", f"There is no class {shown(class_name)}; use one of {classes}."
        )
    batch_item, round_ = _selected(answers, item_id)
    other = _of_another(answers, item_id)
    if other is not None:
        raise Refused(
            "already_decided",
            f"Somebody else decided item {item_id}: they may revise it, or you requeue it.",
        )
    own = answers.own_label(item_id)
    if own is not None and own.is_adjudication and own.class_index == index:
        return AnswerStatus.UNCHANGED
    facts = {"item": item_id, "class": answers.project.classes[index], "lead": answers.annotator_id}
    events.append(answers.session, answers.project.id, "label.decided", facts)
    if own is None:
        _add(answers, batch_item, round_, index)
    else:
        answers.state.revisions.append(Revision(item_id, own.annotator_id, own.class_index))
        own.class_index, own.revised_at, own.is_adjudication = index, answers.now, True
    resolve_item(answers, item_id)
    return AnswerStatus.CREATED if own is None else AnswerStatus.REVISED


def _selected(answers: Answers, item_id: int) -> tuple[BatchItemRow, RoundFacts]:
    batch_item, round_ = answers.state.live.get(item_id, (None, None))
    if batch_item is None or round_ is None:
        raise Refused(
            "not_in_batch",
            f"No round has selected item {item_id}; import it again with its class instead.",
        )
    if batch_item.state == BatchItemState.SKIPPED:
        raise Refused(
            "already_skipped", f"Item {item_id} was skipped; requeue it before you decide."
        )
    return batch_item, round_


def _of_another(answers: Answers, item_id: int) -> LabelRow | None:
    """Return the decision that somebody else has made on the item."""
    given = answers.state.given[item_id]
    return next(
        (x for x in given if x.is_adjudication and x.annotator_id != answers.annotator_id), None
    )


def _add(answers: Answers, batch_item: BatchItemRow, round_: RoundFacts, class_index_: int) -> None:
    """Add the lead's label, in the slot that waits for an adjudicator or a new one."""
    slots = answers.state.slots[batch_item.id]
    held = next((s for s in slots if s.leased_by == answers.annotator_id and not s.filled), None)
    waiting = next((s for s in slots if s.for_adjudicator and not s.filled), None)
    slot = held or waiting
    if slot is None:
        number = max((s.slot for s in slots), default=0) + 1
        slot = SlotRow(batch_item.id, number, answers.project.id)
        slots.append(slot)
    slot.leased_by, slot.leased_until, slot.filled = answers.annotator_id, None, True
    slot.for_adjudicator, slot.reserved_for = True, None
    project = answers.project
    known = project.n_labeled + project.n_imported
    label = LabelRow(
        project_id=project.id,
        item_id=batch_item.item_id,
        annotator_id=answers.annotator_id,
        batch_item_id=batch_item.id,
        class_index=class_index_,
        seconds=None,
        labels_behind=max(0, known - (round_.n_labeled or 0)),
        on_reserve=False,
        is_adjudication=True,
    )
    answers.state.given[batch_item.item_id].append(label)
