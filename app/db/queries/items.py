"""Statements on items."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import Text, cast, func, insert, literal, select
from sqlalchemy.dialects.postgresql import JSONB
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


@dataclass(frozen=True)
class KnownItem:
    """What tells whether an item that is imported again is the same."""

    id: int
    external_id: str
    text: str | None
    content_hash: str | None
    split: str
    class_index: int | None


def known_by_external_id(
    session: Session, project_id: int, external_ids: Sequence[str]
) -> dict[str, KnownItem]:
    """Return external id -> item, of those that the project has.

    The ids go as one JSON text, joined: as 2,000 parameters, or as an array that the driver renders
    in Python, they took as long as the rest of an import.
    """
    ids = cast(literal(orjson.dumps(list(external_ids)).decode(), Text), JSONB)
    wanted = select(func.jsonb_array_elements_text(ids).label("id")).subquery()
    rows = session.execute(
        select(
            Item.id, Item.external_id, Item.text, Item.content_hash, Item.split, Item.class_index
        )
        .join(wanted, Item.external_id == wanted.c.id)
        .where(Item.project_id == project_id)
    )
    return {row.external_id: KnownItem(*row) for row in rows}


def copy_in(session: Session, rows: Iterable[dict[str, Any]]) -> None:
    """Insert items by COPY; each row holds all of COLUMNS."""
    connection = session.connection().connection.driver_connection
    assert connection is not None  # noqa: S101 - the session is connected
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    in_order = itemgetter(*COLUMNS)
    with connection.cursor().copy(f"COPY items ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(in_order(row))


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


def get_by_external_id(session: Session, project_id: int, external_id: str) -> Item | None:
    """Return the project's item of this external id, of either split."""
    return session.scalar(
        select(Item).where(Item.project_id == project_id, Item.external_id == external_id)
    )


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
