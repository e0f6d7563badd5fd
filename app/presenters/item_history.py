"""An item's history as the API and pages show it."""

from app.db.queries.item_history import Named, Selected, Slot
from app.db.tables import Analysis, BatchSource, GoldAnswer, ItemFlag, Project, SuspectedLabel
from app.domain.states import BatchItemState
from app.presenters.flags import present_flag
from app.presenters.items import present_listed
from app.presenters.labels import present_history
from app.schemas.item_history import (
    GoldAnswerOut,
    ItemHistoryOut,
    SelectionOut,
    SlotOut,
    SuspicionOut,
)
from app.services.image_urls import ImageUrls
from app.services.item_history import ItemHistory


def present_item_history(found: ItemHistory, project: Project, urls: ImageUrls) -> ItemHistoryOut:
    """Return the item and what happened to it, with the names of classes."""
    classes = project.classes
    return ItemHistoryOut(
        item=present_listed(found.item, project, urls),
        set_aside_reason=found.set_aside.reason if found.set_aside else None,
        selections=[
            _selection(each, found.slots.get(each.batch_item.id, []), classes)
            for each in found.selections
        ],
        labels=[
            present_history(g, classes, found.earlier.get(g.label.id, [])) for g in found.given
        ],
        flags=[
            present_flag(each.row, each.annotator)
            for each in found.flags
            if isinstance(each.row, ItemFlag)
        ],
        gold_answers=[
            _gold_answer(each, found.item.gold_class, classes) for each in found.gold_answers
        ],
        suspicions=[_suspicion(*each, classes) for each in found.suspicions],
    )


def _selection(selected: Selected, slots: list[Slot], classes: list[str]) -> SelectionOut:
    one, round_ = selected.batch_item, selected.round_
    suggestion = None if one.suggestion_class is None else classes[one.suggestion_class]
    return SelectionOut(
        round=round_.number,
        strategy=round_.strategy,
        source=BatchSource(one.source),
        rank=one.rank,
        score=one.score,
        is_control=one.is_control,
        model_id=round_.model_id,
        suggestion=suggestion,
        suggestion_confidence=one.suggestion_confidence,
        state=BatchItemState(one.state),
        is_requeued=one.is_requeued,
        labels_wanted=one.labels_wanted,
        skip_reason=one.skip_reason,
        skip_comment=one.skip_comment,
        skipped_by=selected.skipped_by,
        selected_at=round_.labeling_at,
        resolved_at=one.resolved_at,
        why=_why(selected),
        slots=[
            SlotOut(
                slot=each.slot.slot,
                leased_by=each.leased_by,
                leased_until=each.slot.leased_until,
                reserved_for=each.reserved_for,
                for_adjudicator=each.slot.for_adjudicator,
            )
            for each in slots
        ],
    )


def _why(selected: Selected) -> str:
    """Return in a sentence why the round selected the item."""
    one, round_ = selected.batch_item, selected.round_
    if one.is_control:
        return f"Round {round_.number} drew it uniformly, for its control arm."
    place = "its batch" if one.source == BatchSource.BATCH else "the reserve behind its batch"
    if round_.model_id is None:
        return f"Round {round_.number} put it into {place} by {round_.strategy}, without a model."
    return (
        f"Round {round_.number} put it into {place}: model {round_.model_id} gave it a score of "
        f"{one.score:.3g} by {round_.strategy}, rank {one.rank + 1}."
    )


def _gold_answer(given: Named, gold_class: int | None, classes: list[str]) -> GoldAnswerOut:
    answer = given.row
    assert isinstance(answer, GoldAnswer)  # noqa: S101 - of a query of gold answers
    is_given = answer.class_index is not None
    return GoldAnswerOut(
        annotator=given.annotator,
        class_=classes[answer.class_index or 0] if is_given else None,
        is_right=answer.class_index == gold_class if is_given else None,
        leased_until=answer.leased_until,
        answered_at=answer.answered_at,
        skipped_at=answer.skipped_at,
    )


def _suspicion(suspected: SuspectedLabel, analysis: Analysis, classes: list[str]) -> SuspicionOut:
    return SuspicionOut(
        search=analysis.id,
        rank=suspected.rank,
        class_=classes[suspected.class_index],
        suggested=classes[suspected.suggested_class],
        suggested_probability=suspected.suggested_probability,
        label_probability=suspected.label_probability,
        suspicion=suspected.suspicion,
        reasons=suspected.reasons,
        created_at=analysis.created_at,
    )
