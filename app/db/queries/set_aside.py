"""Statements on items that were set aside because their content could not be read."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.db.queries.rows import is_one_of, table_of
from app.db.tables import BatchItem, Item, ResolvedLabel, SetAsideItem, Split
from app.domain.states import BatchItemState

# Of the pool, those that neither a label, nor a skip, nor an open batch takes out already.
_N_UNSELECTABLE = (
    select(func.count())
    .select_from(SetAsideItem)
    .join(Item, Item.id == SetAsideItem.item_id)
    .where(
        SetAsideItem.project_id == bindparam("project_id"),
        Item.split == Split.POOL,
        ~exists().where(ResolvedLabel.item_id == Item.id),
        ~exists().where(BatchItem.item_id == Item.id, BatchItem.state != BatchItemState.WITHDRAWN),
    )
)
_IS_GIVEN = is_one_of(table_of(SetAsideItem).c.item_id, "item_ids")


@dataclass(frozen=True)
class Unreadable:
    """An item whose content cannot be read, and why."""

    item_id: int
    reason: str


def add(session: Session, project_id: int, unreadable: Sequence[Unreadable]) -> list[int]:
    """Set these items aside; return the ids of those that were not yet."""
    if not unreadable:
        return []
    rows = [
        {"item_id": item.item_id, "project_id": project_id, "reason": item.reason}
        for item in unreadable
    ]
    statement = insert(SetAsideItem).values(rows)
    return list(
        session.scalars(
            statement.on_conflict_do_nothing(index_elements=["item_id"]).returning(
                SetAsideItem.item_id
            )
        )
    )


def note_again(session: Session, unreadable: Sequence[Unreadable]) -> None:
    """Update the reasons of items that still cannot be read."""
    for item in unreadable:
        row = session.get(SetAsideItem, item.item_id)
        if row is not None:
            row.reason, row.set_aside_at = item.reason, func.now()


def remove(session: Session, project_id: int, item_ids: Sequence[int]) -> list[int]:
    """Take back these items; return the ids of those that were set aside."""
    return list(
        session.scalars(
            delete(SetAsideItem)
            .where(SetAsideItem.project_id == project_id, _IS_GIVEN)
            .returning(SetAsideItem.item_id)
            .execution_options(synchronize_session=False),
            {"item_ids": list(item_ids)},
        )
    )


def indices(session: Session, project_id: int, split: str) -> list[int]:
    """Return the indices in their split of the items that are set aside, ascending."""
    return list(
        session.scalars(
            select(Item.index)
            .join(SetAsideItem, SetAsideItem.item_id == Item.id)
            .where(SetAsideItem.project_id == project_id, Item.split == split)
            .order_by(Item.index)
        )
    )


def n_unselectable(session: Session, project_id: int) -> int:
    """Return how many otherwise selectable pool items are set aside."""
    return session.scalar(_N_UNSELECTABLE, {"project_id": project_id}) or 0


def n_of_project(session: Session, project_id: int) -> int:
    """Return how many items of the project are set aside, erased ones apart."""
    statement = (
        select(func.count())
        .select_from(SetAsideItem)
        .join(Item, Item.id == SetAsideItem.item_id)
        .where(SetAsideItem.project_id == project_id, Item.erased_at.is_(None))
    )
    return session.scalar(statement) or 0


def page(
    session: Session, project_id: int, after_id: int, limit: int
) -> list[tuple[Item, SetAsideItem]]:
    """Return up to `limit` items that are set aside with an id above `after_id`, ascending.

    Erased ones, which never come back, are left out.
    """
    rows = session.execute(
        select(Item, SetAsideItem)
        .join(SetAsideItem, SetAsideItem.item_id == Item.id)
        .where(
            SetAsideItem.project_id == project_id,
            SetAsideItem.item_id > after_id,
            Item.erased_at.is_(None),
        )
        .order_by(SetAsideItem.item_id)
        .limit(limit)
    )
    return [(item, row) for item, row in rows]


def of_items(session: Session, project_id: int, item_ids: Sequence[int]) -> list[Item]:
    """Return those of these items that are set aside, erased ones apart."""
    return list(
        session.scalars(
            select(Item)
            .join(SetAsideItem, SetAsideItem.item_id == Item.id)
            .where(SetAsideItem.project_id == project_id, _IS_GIVEN, Item.erased_at.is_(None))
            .order_by(Item.id),
            {"item_ids": list(item_ids)},
        )
    )
