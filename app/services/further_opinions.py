"""Keeps labels of items that have all they wanted, as further opinions.

An annotation tool may let more people answer than were asked for. What they said is kept, and the
item is resolved anew over all its labels; nobody is asked for another one because of it.
"""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries.answers import LabelRow, SlotRow
from app.domain.annotation import MAX_LABELS_PER_ITEM
from app.domain.class_settings import offered_index
from app.domain.states import BatchItemState
from app.services.answers import Answers, AnswerStatus, Outcome, Refused, open_answers
from app.services.consensus import resolve_item
from app.services.labels import LabelEntry
from app.services.leases import after_freeing


def add_opinions(
    session: Session,
    project_id: int,
    annotator_id: int,
    entries: Sequence[LabelEntry],
    settings: Settings,
) -> list[Outcome]:
    """Keep the annotator's labels of labeled items; return one outcome per entry, in order.

    Raises:
        ProjectNotAccepting: the project takes no labels in its state.
        AnnotatorPaused: this annotator is paused.
    """
    item_ids = [entry.item_id for entry in entries]
    answers = open_answers(session, project_id, annotator_id, item_ids, settings)
    outcomes = answers.take(entries, lambda e: e.item_id, lambda e: _add_one(answers, e))
    answers.write()
    after_freeing(session, answers.project, settings)
    return outcomes


def _add_one(answers: Answers, entry: LabelEntry) -> AnswerStatus:
    project, item_id = answers.project, entry.item_id
    class_index = offered_index(project.classes, project.class_settings, entry.class_name)
    batch_item, round_ = answers.state.live.get(item_id, (None, None))
    given = answers.state.given[item_id]
    if (
        class_index is None
        or batch_item is None
        or round_ is None
        or batch_item.state != BatchItemState.LABELED
        or answers.own_label(item_id) is not None
        or item_id in answers.gold
        or len(given) >= MAX_LABELS_PER_ITEM
    ):
        raise Refused("already_labeled", f"Item {item_id} takes no further opinion.")
    slots = answers.state.slots[batch_item.id]
    number = max((slot.slot for slot in slots), default=0) + 1
    slots.append(
        SlotRow(
            batch_item_id=batch_item.id,
            slot=number,
            project_id=project.id,
            leased_by=answers.annotator_id,
            filled=True,
        )
    )
    known = project.n_labeled + project.n_imported
    given.append(
        LabelRow(
            project_id=project.id,
            item_id=item_id,
            annotator_id=answers.annotator_id,
            batch_item_id=batch_item.id,
            class_index=class_index,
            seconds=entry.seconds,
            labels_behind=max(0, known - (round_.n_labeled or 0)),
            on_reserve=False,
            is_adjudication=False,
        )
    )
    resolve_item(answers, item_id)
    return AnswerStatus.CREATED
