"""Statements on items."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Text,
    TextClause,
    cast,
    func,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session

from app.db.queries.columns import IntArray, columns
from app.db.tables import ConsensusSource, Item, LabelSource, Project, ResolvedLabel, Split
from app.domain.states import ProjectState

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
    "metadata",
)


@dataclass(frozen=True)
class KnownItem:
    """The values that show whether a repeated import holds the same item."""

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
    """Return one item of the project, unless the project was deleted."""
    return session.scalar(
        select(Item)
        .join(Project, Project.id == Item.project_id)
        .where(
            Item.project_id == project_id,
            Item.id == item_id,
            Project.state != ProjectState.DELETING,
        )
    )


def names_by_index(
    session: Session, project_id: int, split: str, index: Sequence[int]
) -> dict[int, tuple[int, str]]:
    """Return index -> (id, external id) of these items of the split, erased ones apart."""
    rows = session.execute(
        select(Item.index, Item.id, Item.external_id).where(
            Item.project_id == project_id,
            Item.split == split,
            Item.index == func.any(literal(list(index), ARRAY(BigInteger))),
            Item.erased_at.is_(None),
        )
    )
    return {at: (item_id, external_id) for at, item_id, external_id in rows}


def get_by_external_id(session: Session, project_id: int, external_id: str) -> Item | None:
    """Return the project's item of this external id, of either split."""
    return session.scalar(
        select(Item).where(Item.project_id == project_id, Item.external_id == external_id)
    )


def external_ids(session: Session, project_id: int, item_ids: Sequence[int]) -> list[str]:
    """Return the external ids of these items of the project, by index."""
    return list(
        session.scalars(
            select(Item.external_id)
            .where(Item.project_id == project_id, Item.id.in_(item_ids))
            .order_by(Item.index)
        )
    )


@dataclass(slots=True)  # not frozen: that takes three times as long, for millions of items
class ItemContent:
    """The place of an item's content."""

    id: int
    index: int
    external_id: str
    text: str | None
    content_hash: str | None
    image_uri: str | None


def content_of(item: Item) -> ItemContent:
    """Return the place of an item's content."""
    return ItemContent(*(getattr(item, each.name) for each in fields(ItemContent)))


_CONTENT = [getattr(Item, each.name) for each in fields(ItemContent)]


def contents(
    session: Session, project_id: int, split: str, first: int, end: int
) -> list[ItemContent]:
    """Return the contents of the split's items of index first..end - 1, in order."""
    rows = session.execute(
        select(*_CONTENT)
        .where(
            Item.project_id == project_id,
            Item.split == split,
            Item.index >= first,
            Item.index < end,
        )
        .order_by(Item.index)
    )
    return [ItemContent(*row) for row in rows]


def texts(
    session: Session, project_id: int, split: str, first: int, end: int
) -> list[tuple[str, str]]:
    """Return (external id, text) of the split's text items of index first..end - 1, in order.

    In the driver's binary form: rows of the ORM took longer than encoding the texts.
    """
    connection = session.connection().connection.driver_connection
    assert connection is not None  # noqa: S101 - the session is connected
    with connection.cursor(binary=True) as cursor:
        cursor.execute(_TEXTS, (project_id, split, first, end))
        rows: list[tuple[str, str]] = cursor.fetchall()
    return rows


_TEXTS = """
    SELECT external_id, coalesce(text, '') FROM items
    WHERE project_id = %s AND split = %s AND "index" >= %s AND "index" < %s
    ORDER BY "index"
"""


def content_digest(contents: Iterable[ItemContent]) -> str:
    """Return the hash of these items' external ids and contents, in their order."""
    return _digest_of(
        (
            item.external_id,
            hashlib.sha256((item.text or "").encode()).digest()
            if item.content_hash is None
            else bytes.fromhex(item.content_hash),
        )
        for item in contents
    )


def texts_digest(rows: Iterable[tuple[str, str]]) -> str:
    """Return `content_digest` of text items, given as (external id, text)."""
    return _digest_of((key, hashlib.sha256(content.encode()).digest()) for key, content in rows)


def _digest_of(pairs: Iterable[tuple[str, bytes]]) -> str:
    """Return the hash of (external id, hash of the content), in their order."""
    return hashlib.sha256(
        b"".join([key.encode() + b"\0" + digest for key, digest in pairs])
    ).hexdigest()


# `content_digest` in the database: texts need not travel. A scan of the index for each block leaves
# nothing to sort.
_CONTENT_DIGEST = """
    encode(sha256(string_agg(
        convert_to(external_id, 'UTF8') || '\\x00'::bytea || coalesce(
            decode(content_hash, 'hex'), sha256(convert_to(coalesce(text, ''), 'UTF8'))
        ), ''::bytea ORDER BY "index"
    )), 'hex')
"""
# Which transaction wrote each row: read without its text. The order of the rows is in `index`.
_ROWS_MARK = """
    bit_xor(hash_record_extended(ROW(id, "index", xmin), 0))
        || ' ' || (SELECT oid FROM pg_database WHERE datname = current_database())
        || ' ' || extract(epoch FROM pg_postmaster_start_time())
"""


def _of_blocks(value: str) -> TextClause:
    return text(
        f"""
        SELECT value
        FROM unnest(CAST(:starts AS bigint[]), CAST(:ends AS bigint[]))
            WITH ORDINALITY AS block (first, stop, number)
        CROSS JOIN LATERAL (
            SELECT {value} AS value FROM items
            WHERE project_id = :project_id AND split = :split
                AND "index" >= block.first AND "index" < block.stop
        ) AS found
        ORDER BY number
        """  # noqa: S608 - of this module's own words
    )


_CONTENT_DIGESTS = _of_blocks(_CONTENT_DIGEST)
_ROW_MARKS = _of_blocks(_ROWS_MARK)


def content_digests(
    session: Session, project_id: int, split: str, blocks: Sequence[tuple[int, int]]
) -> list[str]:
    """Return `content_digest` of blocks of the split's items: each from an index up to another.

    An empty block has "".
    """
    return _ask_of_blocks(session, _CONTENT_DIGESTS, project_id, split, blocks)


def row_marks(
    session: Session, project_id: int, split: str, blocks: Sequence[tuple[int, int]]
) -> list[str]:
    """Return a mark of the rows of each block; while it is the same, no item has changed.

    Another mark may have the same items: marks end with the server's process, for a database that
    is put back from a copy gives ids and transactions anew. An empty block has "".
    """
    return _ask_of_blocks(session, _ROW_MARKS, project_id, split, blocks)


def _ask_of_blocks(
    session: Session,
    statement: TextClause,
    project_id: int,
    split: str,
    blocks: Sequence[tuple[int, int]],
) -> list[str]:
    starts, ends = [first for first, _ in blocks], [end for _, end in blocks]
    values = {"project_id": project_id, "split": split, "starts": starts, "ends": ends}
    return [value or "" for value in session.scalars(statement, values)]


def image_shape(session: Session, project_id: int, n_pool: int) -> tuple[int, int] | None:
    """Return (median of the longer sides, largest number of channels) of the pool's first images.

    None where there are none.
    """
    larger_side = func.greatest(Item.width, Item.height)
    side, channels = session.execute(
        select(
            func.percentile_disc(0.5).within_group(larger_side.asc()), func.max(Item.channels)
        ).where(Item.project_id == project_id, Item.split == Split.POOL, Item.index < n_pool)
    ).one()
    return None if side is None else (side, channels)


def evaluation_classes(session: Session, project_id: int) -> IntArray:
    """Return the class indices of the evaluation split in index order; it has no other items."""
    _, classes = columns(
        session,
        select(Item.index, Item.class_index).where(
            Item.project_id == project_id, Item.split == Split.EVALUATION
        ),
    )
    return classes
