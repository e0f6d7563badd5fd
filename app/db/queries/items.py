"""Statements on items."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import insert, literal, select
from sqlalchemy.orm import Session

from app.db.tables import ConsensusSource, Item, LabelSource, ResolvedLabel, Split

COLUMNS = (
    "project_id",
    "split",
    "index",
    "external_id",
    "text",
    "content_hash",
    "image_uri",
    "width",
    "height",
    "channels",
    "class_index",
)


def known_by_external_id(
    session: Session, project_id: int, external_ids: Sequence[str]
) -> dict[str, Item]:
    """Return external id -> item, of those that the project has."""
    rows = session.scalars(
        select(Item).where(Item.project_id == project_id, Item.external_id.in_(external_ids))
    )
    return {item.external_id: item for item in rows}


def copy_in(session: Session, rows: Iterable[dict[str, Any]]) -> None:
    """Insert items by COPY; each row holds all of COLUMNS."""
    connection = session.connection().connection.driver_connection
    assert connection is not None  # noqa: S101 - the session is connected
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    with connection.cursor().copy(f"COPY items ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([row[name] for name in COLUMNS])


def resolve_imported(
    session: Session, project_id: int, first_index: int, label_version: int
) -> None:
    """Give the pool items from `first_index` on that were imported with a class that label."""
    session.execute(
        insert(ResolvedLabel).from_select(
            ["item_id", "project_id", "class_index", "source", "method", "label_version"],
            select(
                Item.id,
                Item.project_id,
                Item.class_index,
                literal(LabelSource.IMPORT),
                literal(ConsensusSource.IMPORTED),
                literal(label_version),
            ).where(
                Item.project_id == project_id,
                Item.split == Split.POOL,
                Item.index >= first_index,
                Item.class_index.is_not(None),
            ),
        )
    )


def get(session: Session, project_id: int, item_id: int) -> Item | None:
    """Return one item of the project."""
    return session.scalar(select(Item).where(Item.project_id == project_id, Item.id == item_id))


def page_by_index(
    session: Session, project_id: int, split: str, after_index: int, limit: int
) -> list[Item]:
    """Return up to `limit` items of the split with an index above `after_index`, ascending."""
    return list(
        session.scalars(
            select(Item)
            .where(Item.project_id == project_id, Item.split == split, Item.index > after_index)
            .order_by(Item.index)
            .limit(limit)
        )
    )


def evaluation_classes(session: Session, project_id: int) -> list[int]:
    """Return the class indices of the evaluation split in index order."""
    return [
        class_index
        for class_index in session.scalars(
            select(Item.class_index)
            .where(Item.project_id == project_id, Item.split == Split.EVALUATION)
            .order_by(Item.index)
        )
        if class_index is not None
    ]
