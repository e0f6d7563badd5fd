"""Statements on the classes of a project: how often each was found, and how often it is there."""

from dataclasses import dataclass

from sqlalchemy import and_, false, func, select
from sqlalchemy.orm import Session

from app.db.tables import BatchItem, Item, ResolvedLabel, Round, Split
from app.domain.classification import Cell
from app.domain.states import BatchItemState


@dataclass(frozen=True)
class ClassCount:
    """Resolved labels of one class; `round_number` is None of imported ones."""

    round_number: int | None
    is_control: bool
    class_index: int
    n: int


def counts_by_round(session: Session, project_id: int) -> list[ClassCount]:
    """Return the resolved labels by round, arm and class, oldest round first."""
    is_control = func.coalesce(BatchItem.is_control, false())
    rows = session.execute(
        select(Round.number, is_control, ResolvedLabel.class_index, func.count())
        .select_from(ResolvedLabel)
        .outerjoin(
            BatchItem,
            and_(
                BatchItem.item_id == ResolvedLabel.item_id,
                BatchItem.state == BatchItemState.LABELED,
            ),
        )
        .outerjoin(Round, Round.id == BatchItem.round_id)
        .where(ResolvedLabel.project_id == project_id)
        .group_by(Round.number, is_control, ResolvedLabel.class_index)
        .order_by(Round.number, is_control, ResolvedLabel.class_index)
    )
    return [ClassCount(*row) for row in rows]


def evaluation_counts(session: Session, project_id: int) -> dict[int, int]:
    """Return class index -> items of the evaluation split."""
    rows = session.execute(
        select(Item.class_index, func.count())
        .where(Item.project_id == project_id, Item.split == Split.EVALUATION)
        .group_by(Item.class_index)
    )
    return {class_index: n for class_index, n in rows if class_index is not None}


def control_cells(session: Session, project_id: int, number: int) -> list[Cell]:
    """Return what a round's proxy predicted of its labeled control items, as a table of counts.

    It predicted them before it, or any other, was trained on them.
    """
    rows = session.execute(
        select(ResolvedLabel.class_index, BatchItem.suggestion_class, func.count())
        .join(BatchItem, BatchItem.item_id == ResolvedLabel.item_id)
        .join(Round, Round.id == BatchItem.round_id)
        .where(
            Round.project_id == project_id,
            Round.number == number,
            BatchItem.state == BatchItemState.LABELED,
            BatchItem.is_control,
            BatchItem.suggestion_class.is_not(None),
        )
        .group_by(ResolvedLabel.class_index, BatchItem.suggestion_class)
        .order_by(ResolvedLabel.class_index, BatchItem.suggestion_class)
    )
    return [(label, predicted, n) for label, predicted, n in rows if predicted is not None]
