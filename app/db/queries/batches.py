"""Statements on batch_items: publish them, and find out what is open and committed.

All of them expect that the caller holds the project's row lock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Select,
    Subquery,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from app.db.queries.columns import IntArray, columns
from app.db.queries.rows import table_of
from app.db.tables import (
    BatchItem,
    BatchItemSlot,
    BatchSource,
    Item,
    ResolvedLabel,
    Round,
    SetAsideItem,
    Split,
)
from app.domain.states import BatchItemState

PROJECT = bindparam("project", type_=BigInteger)

# In the statement itself: a plan that is kept for all parameters could not use the partial index.
IS_OPEN = BatchItem.state == literal(BatchItemState.OPEN, literal_execute=True)


def has_slot(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that a batch item has a slot that meets these conditions."""
    return exists().where(BatchItemSlot.batch_item_id == BatchItem.id, *conditions)


# Committed: an annotator holds it or has answered, or an admin hands it out again. Expired leases
# are freed before this is asked.
IS_COMMITTED = or_(has_slot(BatchItemSlot.leased_by.is_not(None)), BatchItem.is_requeued)

# In the words of the index ix_batch_items_several. An open item that wants one label, and was not
# handed out again, has no filled slot: the label would have closed it.
WANTS_SEVERAL = text("(batch_items.labels_wanted > 1 OR batch_items.is_requeued)")


def committed_ids(project_id: ColumnElement[int]) -> CompoundSelect[int]:
    """Return the ids of the project's open and committed items, without reading all that is open.

    The same as IS_COMMITTED, which asks item by item: a poll would cost the size of the reserve.
    """
    held = (
        select(BatchItem.id)
        .join(BatchItemSlot, BatchItemSlot.batch_item_id == BatchItem.id)
        .where(
            BatchItemSlot.project_id == project_id,
            BatchItemSlot.leased_until.is_not(None),
            ~BatchItemSlot.filled,
            IS_OPEN,
        )
    )
    answered = select(BatchItem.id).where(
        BatchItem.project_id == project_id, IS_OPEN, WANTS_SEVERAL, IS_COMMITTED
    )
    return held.union(answered)


@dataclass(frozen=True)
class OpenCounts:
    """Counts of a project's open batch items: committed ones, and uncommitted ones by source."""

    committed: int
    batch: int
    reserve: int


@dataclass(frozen=True)
class RankedItem:
    """One entry of a selection: pool index, score, and the proxy's suggestion if it has one."""

    index: int
    score: float
    suggestion_class: int | None = None
    suggestion_confidence: float | None = None
    is_control: bool = False


def open_counts(session: Session, project_id: int) -> OpenCounts:
    """Count the project's open batch items; expired leases count as live until they are freed."""
    given = {"project": project_id}
    n_open = open_by_source(session, project_id)
    committed = {source: n for source, n in session.execute(_COMMITTED_BY_SOURCE, given)}  # noqa: C416
    free = {source: n_open.get(source, 0) - committed.get(source, 0) for source in BatchSource}
    return OpenCounts(
        committed=sum(committed.values()),
        batch=free[BatchSource.BATCH],
        reserve=free[BatchSource.RESERVE],
    )


def open_by_source(session: Session, project_id: int) -> dict[str, int]:
    """Return source -> open batch items of the project, held ones too."""
    rows = session.execute(_OPEN_BY_SOURCE, {"project": project_id})
    return {source: n for source, n in rows}  # noqa: C416 - types


_OPEN_BY_SOURCE = (
    select(BatchItem.source, func.count())
    .where(BatchItem.project_id == PROJECT, IS_OPEN)
    .group_by(BatchItem.source)
)
_COMMITTED_BY_SOURCE = (
    select(BatchItem.source, func.count())
    .where(BatchItem.id.in_(committed_ids(PROJECT)))
    .group_by(BatchItem.source)
)


_HAS_OPEN_BATCH = select(
    exists().where(
        BatchItem.project_id == PROJECT,
        IS_OPEN,
        BatchItem.source == BatchSource.BATCH,
    )
)


def has_open_batch(session: Session, project_id: int) -> bool:
    """Return whether an item of a batch (not of the reserve) still wants labels."""
    return bool(session.scalar(_HAS_OPEN_BATCH, {"project": project_id}))


def _withdraw(*conditions: ColumnElement[bool]) -> ReturningUpdate[int]:
    return (
        update(table_of(BatchItem))
        .where(BatchItem.project_id == PROJECT, IS_OPEN, *conditions)
        .values(state=BatchItemState.WITHDRAWN)
        .returning(BatchItem.id)
    )


_NEWEST_PUBLISHED = (
    select(Round.id)
    .where(Round.project_id == PROJECT, Round.labeling_at.is_not(None))
    .order_by(Round.number.desc())
    .limit(1)
    .scalar_subquery()
)
_WITHDRAW_ALL_OPEN = _withdraw()
_IS_UNCOMMITTED_RESERVE = (
    BatchItem.source == BatchSource.RESERVE,
    # Not IS_COMMITTED, in the form that Postgres joins instead of asking row by row.
    ~has_slot(BatchItemSlot.leased_by.is_not(None)),
    ~BatchItem.is_requeued,
)
_WITHDRAW_UNCOMMITTED = _withdraw(*_IS_UNCOMMITTED_RESERVE)
_WITHDRAW_EARLIER = _withdraw(
    *_IS_UNCOMMITTED_RESERVE,
    # Not `!=`, for which no index helps.
    or_(BatchItem.round_id < _NEWEST_PUBLISHED, BatchItem.round_id > _NEWEST_PUBLISHED),
)


def withdraw_uncommitted(session: Session, project_id: int) -> int:
    """Withdraw the open reserve that nobody holds; return how many."""
    return len(session.execute(_WITHDRAW_UNCOMMITTED, {"project": project_id}).all())


def withdraw_earlier(session: Session, project_id: int) -> int:
    """Withdraw that of other rounds than the newest that is published; return how many."""
    return len(session.execute(_WITHDRAW_EARLIER, {"project": project_id}).all())


def keep_as_reserve(session: Session, round_id: int) -> int:
    """Turn the open items of the round's batch into reserve, held or not; return how many."""
    rows = session.execute(
        update(BatchItem)
        .where(BatchItem.round_id == round_id, IS_OPEN, BatchItem.source == BatchSource.BATCH)
        .values(source=BatchSource.RESERVE)
        .returning(BatchItem.id)
    )
    return len(rows.all())


def withdraw_all_open(session: Session, project_id: int) -> int:
    """Withdraw every open item, whoever holds it; return how many."""
    return len(session.execute(_WITHDRAW_ALL_OPEN, {"project": project_id}).all())


def excluded_pool_indices(session: Session, project_id: int) -> IntArray:
    """Return the pool indices that a selection may not rank, ascending.

    They are the items that are resolved, skipped, set aside, or open and committed.
    """
    committed_or_skipped = and_(
        BatchItem.project_id == project_id,
        or_(
            BatchItem.state == BatchItemState.SKIPPED,
            and_(IS_OPEN, IS_COMMITTED),
        ),
    )
    resolved: Select[Any] = (
        select(Item.index)
        .join(ResolvedLabel, ResolvedLabel.item_id == Item.id)
        .where(Item.project_id == project_id, Item.split == Split.POOL)
    )
    held: Select[Any] = (
        select(Item.index)
        .join(BatchItem, BatchItem.item_id == Item.id)
        .where(committed_or_skipped, Item.split == Split.POOL)
    )
    unreadable: Select[Any] = select(Item.index).where(
        Item.id == SetAsideItem.item_id,
        SetAsideItem.project_id == project_id,
        Item.split == Split.POOL,
    )
    (index,) = columns(session, resolved.union(held, unreadable))
    return index


def selectable_items(session: Session, project_id: int, indices: Sequence[int]) -> dict[int, int]:
    """Return pool index -> item id of those that may enter a batch now."""
    wanted = _wanted(indices)
    rows = session.execute(
        select(Item.index, Item.id)
        .join(wanted, Item.index == wanted.c.index)
        .where(
            Item.project_id == project_id,
            Item.split == Split.POOL,
            ~exists().where(
                BatchItem.item_id == Item.id, BatchItem.state != BatchItemState.WITHDRAWN
            ),
            ~exists().where(ResolvedLabel.item_id == Item.id),
            ~exists().where(SetAsideItem.item_id == Item.id),
        )
    )
    return {index: item_id for index, item_id in rows}  # noqa: C416 - dict(rows) loses the types


def item_ids(session: Session, project_id: int, indices: Sequence[int]) -> dict[int, int]:
    """Return pool index -> item id, whatever state the items are in."""
    wanted = _wanted(indices)
    rows = session.execute(
        select(Item.index, Item.id)
        .join(wanted, Item.index == wanted.c.index)
        .where(Item.project_id == project_id, Item.split == Split.POOL)
    )
    return {index: item_id for index, item_id in rows}  # noqa: C416 - dict(rows) loses the types


def _wanted(indices: Sequence[int]) -> Subquery:
    """Return the indices as rows to join with.

    Joined, not `= ANY`: until a large import is analysed, Postgres scans the pool for ANY and
    compares every item with every index (over 80 s for 7,500 of 1 million).
    """
    array = literal(list(indices), ARRAY(BigInteger))
    return select(func.unnest(array).label("index")).subquery()


@dataclass(frozen=True)
class Place:
    """An item's place in a round's batch or reserve; `labels_wanted` are its slots."""

    item_id: int
    source: BatchSource
    rank: int
    score: float
    suggestion_class: int | None
    suggestion_confidence: float | None
    is_control: bool
    labels_wanted: int


def insert_places(
    session: Session, round_: Round, places: Sequence[Place], state: BatchItemState
) -> None:
    """Insert items of a round's batch and reserve, with their slots."""
    if not places:
        return
    values = {"project": round_.project_id, "round": round_.id, "state": state}
    session.execute(_INSERT_PLACES, {**values, "places": _as_json(places)})


_INSERT_PLACES = text(
    """
    WITH made AS (
        INSERT INTO batch_items (
            project_id, round_id, state, item_id, source, rank, score, suggestion_class,
            suggestion_confidence, is_control, labels_wanted
        )
        SELECT :project, :round, :state, place.*
        FROM json_to_recordset(CAST(:places AS json)) AS place (
            item_id bigint, source text, rank bigint, score double precision,
            suggestion_class smallint, suggestion_confidence double precision, is_control boolean,
            labels_wanted smallint
        )
        RETURNING id, labels_wanted
    )
    INSERT INTO batch_item_slots (batch_item_id, slot, project_id)
    SELECT id, slot, :project FROM made CROSS JOIN generate_series(1, labels_wanted) AS slot
    """
)


def staged_items(session: Session, round_id: int) -> dict[int, int]:
    """Return item -> number of slots of the round's staged items, which wait for publication."""
    rows = session.execute(
        select(BatchItem.item_id, BatchItem.labels_wanted).where(
            BatchItem.round_id == round_id, BatchItem.state == BatchItemState.WITHDRAWN
        )
    )
    return {item_id: n_slots for item_id, n_slots in rows}  # noqa: C416 - dict() loses the types


def open_staged(session: Session, round_id: int, places: Sequence[Place]) -> None:
    """Hand out staged items of a round at these places; delete those without a place."""
    given = {"round": round_id, "places": _as_json(places)}
    session.execute(_OPEN_STAGED, given)
    delete_staged(session, round_id)


_OPEN_STAGED = text(
    """
    UPDATE batch_items SET state = 'open', source = place.source, rank = place.rank
    FROM json_to_recordset(CAST(:places AS json))
        AS place (item_id bigint, source text, rank bigint)
    WHERE round_id = :round AND batch_items.item_id = place.item_id
    """
)


def delete_staged(session: Session, round_id: int) -> None:
    """Delete the staged items of a round, which wait for its publication."""
    session.execute(
        delete(BatchItem).where(
            BatchItem.round_id == round_id, BatchItem.state == BatchItemState.WITHDRAWN
        )
    )


def _as_json(places: Sequence[Place]) -> str:
    return orjson.dumps(places).decode()


def promote_reserve(session: Session, round_id: int, n: int) -> Sequence[int]:
    """Move the round's `n` best open reserve items into its batch; return the batch items."""
    best = (
        select(BatchItem.id)
        .where(BatchItem.round_id == round_id, IS_OPEN, BatchItem.source == BatchSource.RESERVE)
        .order_by(BatchItem.rank)
        .limit(n)
    )
    return session.scalars(
        update(BatchItem)
        .where(BatchItem.id.in_(best))
        .values(source=BatchSource.BATCH)
        .returning(BatchItem.id)
        .execution_options(synchronize_session=False)
    ).all()


def open_item_ids(session: Session, project_id: int, *, only_answered: bool) -> Sequence[int]:
    """Return the items of open batch items, of those with a label or of all."""
    statement = select(BatchItem.item_id).where(BatchItem.project_id == project_id, IS_OPEN)
    if only_answered:
        statement = statement.where(has_slot(BatchItemSlot.filled.is_(True)))
    return session.scalars(statement).all()
