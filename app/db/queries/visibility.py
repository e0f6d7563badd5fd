"""Statements on what one annotator sees of a project: their items and their progress.

Gold counts as any other item does, so that nothing tells it apart.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from app.db.tables import BatchItem, BatchItemSlot, GoldAnswer, Label
from app.domain.states import BatchItemState

IS_HELD_GOLD = and_(
    GoldAnswer.leased_until > func.now(),
    GoldAnswer.class_index.is_(None),
    GoldAnswer.skipped_at.is_(None),
)


@dataclass(frozen=True)
class Progress:
    """One annotator's own progress: items done and items held."""

    n_labeled: int
    n_skipped: int
    n_held: int


def is_shown(session: Session, annotator_id: int, item_id: int) -> bool:
    """Return whether the annotator holds the item or has labeled or skipped it."""
    return bool(session.scalar(select(or_(*_claims(annotator_id, item_id)))))


def _claims(annotator_id: int, item_id: int) -> list[ColumnElement[bool]]:
    slot = exists().where(
        BatchItemSlot.batch_item_id == BatchItem.id,
        BatchItem.item_id == item_id,
        BatchItemSlot.leased_by == annotator_id,
        or_(
            BatchItemSlot.filled,
            and_(BatchItemSlot.leased_until > func.now(), BatchItem.state == BatchItemState.OPEN),
        ),
    )
    skip = exists().where(BatchItem.item_id == item_id, BatchItem.skipped_by == annotator_id)
    gold = exists().where(
        GoldAnswer.item_id == item_id,
        GoldAnswer.annotator_id == annotator_id,
        or_(IS_HELD_GOLD, GoldAnswer.class_index.is_not(None), GoldAnswer.skipped_at.is_not(None)),
    )
    return [slot, skip, gold]


def progress_of(session: Session, project_id: int, annotator_id: int) -> Progress:
    """Return the annotator's progress."""
    gold = (GoldAnswer.project_id == project_id, GoldAnswer.annotator_id == annotator_id)
    labeled = select(func.count()).where(
        Label.project_id == project_id,
        Label.annotator_id == annotator_id,
        Label.batch_item_id.is_not(None),
        Label.withdrawn_at.is_(None),
    )
    skipped = select(func.count()).where(
        BatchItem.project_id == project_id,
        BatchItem.state == BatchItemState.SKIPPED,
        BatchItem.skipped_by == annotator_id,
    )
    held = (
        select(func.count())
        .select_from(BatchItemSlot)
        .join(BatchItem, BatchItem.id == BatchItemSlot.batch_item_id)
        .where(
            BatchItemSlot.project_id == project_id,
            BatchItemSlot.leased_by == annotator_id,
            BatchItemSlot.leased_until > func.now(),
            ~BatchItemSlot.filled,
            BatchItem.state == BatchItemState.OPEN,
        )
    )
    of_gold = select(
        func.count().filter(GoldAnswer.class_index.is_not(None)),
        func.count().filter(GoldAnswer.skipped_at.is_not(None)),
        func.count().filter(IS_HELD_GOLD),
    ).where(*gold)
    counts = select(*(c.scalar_subquery() for c in (labeled, skipped, held)))
    own, golden = session.execute(counts).one(), session.execute(of_gold).one()
    return Progress(*(a + b for a, b in zip(own, golden, strict=True)))
