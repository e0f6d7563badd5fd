"""What a map shows of many items at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from app.db.tables import BatchItem, Item, ResolvedLabel, Round, Split
from app.domain.states import BatchItemState


@dataclass(frozen=True, slots=True)
class ItemPlace:
    """A pool item with its label, its batch item's state and score, and its round."""

    index: int
    item_id: int
    class_index: int | None
    batch_state: str | None
    score: float | None
    round_number: int | None


def of_pool(session: Session, project_id: int, index: Sequence[int]) -> list[ItemPlace]:
    """Return the pool items of these indices, ascending."""
    rows = session.execute(
        select(
            Item.index,
            Item.id,
            ResolvedLabel.class_index,
            BatchItem.state,
            BatchItem.score,
            Round.number,
        )
        .outerjoin(ResolvedLabel, ResolvedLabel.item_id == Item.id)
        .outerjoin(
            BatchItem,
            and_(BatchItem.item_id == Item.id, BatchItem.state != BatchItemState.WITHDRAWN),
        )
        .outerjoin(Round, Round.id == BatchItem.round_id)
        .where(
            Item.project_id == project_id,
            Item.split == Split.POOL,
            Item.index == func.any(list(index)),
        )
        .order_by(Item.index)
    )
    return [ItemPlace(*row) for row in rows]
