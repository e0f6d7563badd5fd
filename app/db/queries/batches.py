"""Statements on batch_items: publish them, and find out what is open and committed.

All of them expect that the caller holds the project's row lock.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    bindparam,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

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

IS_OPEN = BatchItem.state == BatchItemState.OPEN


def has_slot(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that a batch item has a slot that meets these conditions."""
    return exists().where(BatchItemSlot.batch_item_id == BatchItem.id, *conditions)


# Committed: an annotator holds it or has answered, or an admin hands it out again. Expired leases
# are freed before this is asked.
IS_COMMITTED = or_(has_slot(BatchItemSlot.leased_by.is_not(None)), BatchItem.is_requeued)


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
    is_batch = BatchItem.source == BatchSource.BATCH
    row = session.execute(
        select(
            func.count().filter(IS_COMMITTED).label("committed"),
            func.count().filter(and_(~IS_COMMITTED, is_batch)).label("batch"),
            func.count().filter(and_(~IS_COMMITTED, ~is_batch)).label("reserve"),
        ).where(BatchItem.project_id == project_id, IS_OPEN)
    ).one()
    return OpenCounts(committed=row.committed, batch=row.batch, reserve=row.reserve)


_HAS_OPEN_BATCH = select(
    exists().where(
        BatchItem.project_id == bindparam("project_id"),
        IS_OPEN,
        BatchItem.source == BatchSource.BATCH,
    )
)


def has_open_batch(session: Session, project_id: int) -> bool:
    """Return whether an item of a batch (not of the reserve) still wants labels."""
    return bool(session.scalar(_HAS_OPEN_BATCH, {"project_id": project_id}))


def _withdraw(*conditions: ColumnElement[bool]) -> ReturningUpdate[int]:
    return (
        update(table_of(BatchItem))
        .where(BatchItem.project_id == bindparam("of_project"), IS_OPEN, *conditions)
        .values(state=BatchItemState.WITHDRAWN)
        .returning(BatchItem.id)
    )


NO_ROUND = 0  # no round has this id
_WITHDRAW_ALL_OPEN = _withdraw()
_WITHDRAW_UNCOMMITTED = _withdraw(
    BatchItem.source == BatchSource.RESERVE,
    BatchItem.round_id != bindparam("kept_round"),
    # Not IS_COMMITTED, in the form that Postgres joins instead of asking row by row.
    ~has_slot(BatchItemSlot.leased_by.is_not(None)),
    ~BatchItem.is_requeued,
)


def withdraw_uncommitted(
    session: Session, project_id: int, *, keep_round_id: int | None = None
) -> int:
    """Withdraw the open reserve that nobody holds, except one round's; return how many."""
    of_round = {"of_project": project_id, "kept_round": keep_round_id or NO_ROUND}
    return len(session.execute(_WITHDRAW_UNCOMMITTED, of_round).all())


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
    return len(session.execute(_WITHDRAW_ALL_OPEN, {"of_project": project_id}).all())


def excluded_pool_indices(session: Session, project_id: int) -> list[int]:
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
    return sorted(session.scalars(resolved.union(held, unreadable)))


def selectable_items(session: Session, project_id: int, indices: Sequence[int]) -> dict[int, int]:
    """Return pool index -> item id of those that may enter a batch now.

    Joined, not `= ANY`: until a large import is analysed, Postgres scans the pool for ANY and
    compares every item with every index (over 80 s for 7,500 of 1 million).
    """
    wanted = select(
        func.unnest(literal(list(indices), ARRAY(BigInteger))).label("index")
    ).subquery()
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


def insert_batch(
    session: Session,
    round_: Round,
    ranked: Sequence[tuple[int, RankedItem]],
    n_batch: int,
    labels_wanted: Callable[[int], int],
) -> None:
    """Insert a round's batch and reserve with their slots.

    Args:
        session: in a transaction that holds the project's lock.
        round_: the round that selected them.
        ranked: (item id, entry), best first; the first `n_batch` are the batch, the rest reserve.
        n_batch: size of the batch.
        labels_wanted: pool index -> labels that the item gets, a slot each.
    """
    if not ranked:
        return
    wanted = [labels_wanted(entry.index) for _, entry in ranked]
    ids = session.scalars(
        insert(BatchItem).returning(BatchItem.id, sort_by_parameter_order=True),
        [
            {
                "project_id": round_.project_id,
                "round_id": round_.id,
                "item_id": item_id,
                "source": BatchSource.BATCH if rank < n_batch else BatchSource.RESERVE,
                "rank": rank,
                "score": entry.score,
                "suggestion_class": entry.suggestion_class,
                "suggestion_confidence": entry.suggestion_confidence,
                "is_control": entry.is_control,
                "labels_wanted": n_labels,
            }
            for rank, ((item_id, entry), n_labels) in enumerate(zip(ranked, wanted, strict=True))
        ],
    ).all()
    session.execute(
        insert(BatchItemSlot),
        [
            {"batch_item_id": id_, "slot": slot, "project_id": round_.project_id}
            for id_, n_labels in zip(ids, wanted, strict=True)
            for slot in range(1, n_labels + 1)
        ],
    )


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
