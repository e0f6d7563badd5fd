"""Statements on flags."""

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.db.tables import Annotator, ItemFlag


def page(
    session: Session, project_id: int, after_id: int, limit: int, *, only_open: bool
) -> list[tuple[ItemFlag, str]]:
    """Return up to `limit` (flag, annotator's name) above `after_id`, oldest first."""
    statement = (
        select(ItemFlag, Annotator.name)
        .join(Annotator, Annotator.id == ItemFlag.annotator_id)
        .where(ItemFlag.project_id == project_id, ItemFlag.id > after_id)
        .order_by(ItemFlag.id)
        .limit(limit)
    )
    if only_open:
        statement = statement.where(ItemFlag.closed_at.is_(None))
    return [(flag, name) for flag, name in session.execute(statement)]


def has_open(
    session: Session, project_id: int, item_id: int, annotator_id: int, comment: str
) -> bool:
    """Return whether the annotator's comment stands on the item already."""
    found = session.scalar(
        select(ItemFlag.id)
        .where(
            ItemFlag.project_id == project_id,
            ItemFlag.item_id == item_id,
            ItemFlag.annotator_id == annotator_id,
            ItemFlag.comment == comment,
            ItemFlag.closed_at.is_(None),
        )
        .limit(1)
    )
    return found is not None


def close(session: Session, project_id: int, flag_id: int) -> bool:
    """Close the flag; False if the project has none of this id."""
    row = session.execute(
        update(ItemFlag)
        .where(ItemFlag.project_id == project_id, ItemFlag.id == flag_id)
        .values(closed_at=func.coalesce(ItemFlag.closed_at, func.now()))
        .returning(ItemFlag.id)
    ).one_or_none()
    return row is not None


def open_comments(session: Session, item_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return item id -> comments of its open flags, oldest first."""
    comments: dict[int, list[str]] = {}
    rows = session.execute(
        select(ItemFlag.item_id, ItemFlag.comment)
        .where(ItemFlag.item_id.in_(item_ids), ItemFlag.closed_at.is_(None))
        .order_by(ItemFlag.id)
    )
    for item_id, comment in rows:
        comments.setdefault(item_id, []).append(comment)
    return comments
