"""Statements on items that get their class by a later import.

All of them expect that the caller holds the project's row lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, SmallInteger, and_, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from app.db.queries.batches import IS_COMMITTED
from app.db.tables import BatchItem, ConsensusSource, Item, LabelSource, ResolvedLabel
from app.domain.states import BatchItemState


@dataclass(frozen=True)
class LabelingState:
    """An item's resolved class and its live batch item, where it has them."""

    class_index: int | None
    batch_item_id: int | None
    round_id: int | None
    source: str | None
    state: str | None
    is_committed: bool


def labeling_states(session: Session, item_ids: Sequence[int]) -> dict[int, LabelingState]:
    """Return item id -> its state."""
    wanted = select(func.unnest(literal(list(item_ids), ARRAY(BigInteger))).label("id")).subquery()
    rows = session.execute(
        select(
            wanted.c.id,
            ResolvedLabel.class_index,
            BatchItem.id,
            BatchItem.round_id,
            BatchItem.source,
            BatchItem.state,
            func.coalesce(IS_COMMITTED, False),
        )
        .select_from(wanted)
        .outerjoin(ResolvedLabel, ResolvedLabel.item_id == wanted.c.id)
        .outerjoin(
            BatchItem,
            and_(BatchItem.item_id == wanted.c.id, BatchItem.state != BatchItemState.WITHDRAWN),
        )
    )
    return {row[0]: LabelingState(*row[1:]) for row in rows}


def withdraw(session: Session, batch_item_ids: Sequence[int | None]) -> None:
    """Withdraw these open batch items, which nobody holds."""
    session.execute(
        update(BatchItem)
        .where(BatchItem.id.in_(batch_item_ids), BatchItem.state == BatchItemState.OPEN)
        .values(state=BatchItemState.WITHDRAWN)
        .execution_options(synchronize_session=False)
    )


def resolve(
    session: Session, project_id: int, classes: Mapping[int, int], label_version: int
) -> None:
    """Resolve these items (item id -> class index) to the class that they were imported with."""
    given = (
        func.unnest(
            literal(list(classes), ARRAY(BigInteger)),
            literal(list(classes.values()), ARRAY(SmallInteger)),
        )
        .table_valued("id", "class_index")
        .render_derived()
    )
    session.execute(
        update(Item)
        .where(Item.id == given.c.id, Item.project_id == project_id)
        .values(class_index=given.c.class_index)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        insert(ResolvedLabel).from_select(
            ["item_id", "project_id", "class_index", "source", "method", "label_version"],
            select(
                given.c.id,
                literal(project_id),
                given.c.class_index,
                literal(LabelSource.IMPORT),
                literal(ConsensusSource.IMPORTED),
                literal(label_version),
            ),
        )
    )
