"""Statements on all that happened to one item."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from app.db.tables import (
    Analysis,
    Annotator,
    BatchItem,
    BatchItemSlot,
    GoldAnswer,
    Item,
    ItemFlag,
    Round,
    SetAsideItem,
    SuspectedLabel,
)


@dataclass(frozen=True)
class Selected:
    """A batch item with its round, and who skipped it."""

    batch_item: BatchItem
    round_: Round
    skipped_by: str | None


@dataclass(frozen=True)
class Slot:
    """A wanted answer that somebody holds, or that is kept for somebody."""

    slot: BatchItemSlot
    leased_by: str | None
    reserved_for: str | None


@dataclass(frozen=True)
class Named:
    """A flag or a gold answer with its annotator."""

    row: ItemFlag | GoldAnswer
    annotator: str


def selections(session: Session, item_id: int) -> list[Selected]:
    """Return every selection of the item, oldest first, the withdrawn ones too."""
    rows = session.execute(
        select(BatchItem, Round, Annotator.name)
        .join(Round, Round.id == BatchItem.round_id)
        .outerjoin(Annotator, Annotator.id == BatchItem.skipped_by)
        .where(BatchItem.item_id == item_id)
        .order_by(BatchItem.id)
    )
    return [Selected(*row) for row in rows]


def open_slots(session: Session, batch_item_ids: Sequence[int]) -> list[Slot]:
    """Return the slots of these batch items that wait for an answer, held or kept ones."""
    holder, wanted = aliased(Annotator), aliased(Annotator)
    rows = session.execute(
        select(BatchItemSlot, holder.name, wanted.name)
        .outerjoin(holder, holder.id == BatchItemSlot.leased_by)
        .outerjoin(wanted, wanted.id == BatchItemSlot.reserved_for)
        .where(BatchItemSlot.batch_item_id.in_(batch_item_ids), ~BatchItemSlot.filled)
        .order_by(BatchItemSlot.batch_item_id, BatchItemSlot.slot)
    )
    return [Slot(*row) for row in rows]


def flags_of(session: Session, item_id: int) -> list[Named]:
    """Return every flag of the item, oldest first."""
    rows = session.execute(
        select(ItemFlag, Annotator.name)
        .join(Annotator, Annotator.id == ItemFlag.annotator_id)
        .where(ItemFlag.item_id == item_id)
        .order_by(ItemFlag.id)
    )
    return [Named(*row) for row in rows]


def gold_answers(session: Session, item_id: int) -> list[Named]:
    """Return the answers to the item as gold, oldest first."""
    rows = session.execute(
        select(GoldAnswer, Annotator.name)
        .join(Annotator, Annotator.id == GoldAnswer.annotator_id)
        .where(GoldAnswer.item_id == item_id)
        .order_by(GoldAnswer.created_at)
    )
    return [Named(*row) for row in rows]


def set_aside(session: Session, item_id: int) -> SetAsideItem | None:
    """Return why the item is set aside; None: it is not."""
    return session.get(SetAsideItem, item_id)


def suspicions(session: Session, item: Item) -> list[tuple[SuspectedLabel, Analysis]]:
    """Return the searches for label errors that suspect the item's label, newest first."""
    rows = session.execute(
        select(SuspectedLabel, Analysis)
        .join(Analysis, Analysis.id == SuspectedLabel.analysis_id)
        .where(
            SuspectedLabel.item_id == item.id,
            Analysis.project_id == item.project_id,
            Analysis.result.is_not(None),
        )
        .order_by(Analysis.id.desc())
    )
    return [(suspected, analysis) for suspected, analysis in rows]
