"""Statements on batch_items and their slots: leasing, publishing, what is open and committed.

All of them expect that the caller holds the project's row lock.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from app.db.queries.rows import as_json, from_json, table_of
from app.db.tables import (
    BatchItem,
    BatchItemSlot,
    BatchSource,
    Item,
    Model,
    ResolvedLabel,
    Round,
    Split,
)
from app.domain.states import BatchItemState

Slot = tuple[int, int]  # (batch item, slot)

IS_OPEN = BatchItem.state == BatchItemState.OPEN
SLOT_KEY = ("batch_item_id", "slot")
_GIVEN_SLOTS = from_json(table_of(BatchItemSlot), SLOT_KEY)  # as_json(SLOT_KEY, slots)
_IS_GIVEN_SLOT = (
    BatchItemSlot.batch_item_id == _GIVEN_SLOTS.c.batch_item_id,
    BatchItemSlot.slot == _GIVEN_SLOTS.c.slot,
)


def _has_slot(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(BatchItemSlot.batch_item_id == BatchItem.id, *conditions)


# Committed: an annotator holds it or has answered, or an admin hands it out again. Expired leases
# are freed before this is asked.
IS_COMMITTED = or_(_has_slot(BatchItemSlot.leased_by.is_not(None)), BatchItem.is_requeued)
IS_KEPT = or_(BatchItemSlot.reserved_for.is_not(None), BatchItemSlot.for_adjudicator)


def _is_free_for(annotator_id: int, *, is_adjudicator: bool) -> ColumnElement[bool]:
    """Return the condition that a slot is free, and not kept for others."""
    return and_(
        BatchItemSlot.leased_by.is_(None),
        or_(BatchItemSlot.reserved_for.is_(None), BatchItemSlot.reserved_for == annotator_id),
        true() if is_adjudicator else ~BatchItemSlot.for_adjudicator,
    )


@dataclass(frozen=True, slots=True)
class ShownItem:
    """What an annotator sees of an item; without a text it is an image."""

    id: int
    project_id: int
    index: int
    external_id: str
    text: str | None


@dataclass(frozen=True)
class LeasedItem:
    """One item as it is handed to an annotator."""

    item: ShownItem
    source: BatchSource
    rank: int
    suggestion_class: int | None
    suggestion_confidence: float | None
    model_round: int | None
    n_labeled_at_ranking: int
    leased_until: datetime | None


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


_FREE_EXPIRED = (
    update(table_of(BatchItemSlot))
    .where(
        BatchItemSlot.project_id == bindparam("of_project"),
        BatchItemSlot.leased_until <= func.now(),
        ~BatchItemSlot.filled,
    )
    .values(leased_by=None, leased_until=None)
    .returning(table_of(BatchItemSlot).c.slot)
)


def free_expired_leases(session: Session, project_id: int) -> int:
    """Free the slots whose lease has ended; return how many."""
    return len(session.execute(_FREE_EXPIRED, {"of_project": project_id}).all())


def leases_of(
    session: Session,
    project_id: int,
    annotator_id: int,
    item_ids: Sequence[int] | None = None,
) -> list[Slot]:
    """Return the slots of open items that the annotator holds, best rank first."""
    statement = (
        select(BatchItemSlot.batch_item_id, BatchItemSlot.slot)
        .join(BatchItem, BatchItem.id == BatchItemSlot.batch_item_id)
        .where(
            BatchItemSlot.project_id == project_id,
            BatchItemSlot.leased_by == annotator_id,
            BatchItemSlot.leased_until.is_not(None),  # says the same; lets the leases' index serve
            ~BatchItemSlot.filled,
            IS_OPEN,
        )
        .order_by(BatchItem.source, BatchItem.round_id, BatchItem.rank)
    )
    if item_ids is not None:
        statement = statement.where(BatchItem.item_id.in_(item_ids))
    return [(batch_item_id, slot) for batch_item_id, slot in session.execute(statement)]


def free_slots(session: Session, slots: Sequence[Slot]) -> None:
    """Free these leased slots."""
    if slots:
        session.execute(
            update(table_of(BatchItemSlot))
            .where(*_IS_GIVEN_SLOT)
            .values(leased_by=None, leased_until=None),
            as_json(SLOT_KEY, slots),
        )


def lease_free_slots(
    session: Session,
    project_id: int,
    annotator_id: int,
    limit: int,
    lease_seconds: float,
    *,
    uncommitted_reserve: bool = False,
    is_adjudicator: bool = False,
) -> list[Slot]:
    """Lease up to `limit` free slots, one per item, and return them.

    Either of what the budget already counts (items of the batch, and reserve items that another
    annotator holds or answered), or of the reserve that nobody holds. The newest ranking goes
    first, best rank first. Leaves out items that this annotator holds or has answered, and slots
    that are kept for others.
    """
    if uncommitted_reserve:
        parts = [(BatchSource.RESERVE, ~IS_COMMITTED)]
    else:
        parts = [(BatchSource.BATCH, true()), (BatchSource.RESERVE, IS_COMMITTED)]
    is_free = _is_free_for(annotator_id, is_adjudicator=is_adjudicator)
    slots: list[Slot] = []
    for source, condition in parts:
        n_wanted = limit - len(slots)
        slots += _free_slots(
            session, project_id, annotator_id, n_wanted, source, condition, is_free
        )
    lease_slots(session, slots, annotator_id, lease_seconds)
    return slots


def _free_slots(
    session: Session,
    project_id: int,
    annotator_id: int,
    limit: int,
    source: BatchSource,
    condition: ColumnElement[bool],
    is_free: ColumnElement[bool],
) -> list[Slot]:
    """Return up to `limit` free slots for the annotator, newest round and best rank first.

    A few rows of each round, in the order of the index ix_batch_items_open: sorting all that is
    open would cost every poll the size of the batch.
    """
    if limit <= 0:
        return []
    first_free = (
        select(func.min(BatchItemSlot.slot))
        .where(BatchItemSlot.batch_item_id == BatchItem.id, is_free)
        .scalar_subquery()
    )
    best = (
        select(BatchItem.id, BatchItem.rank, first_free.label("slot"))
        .where(
            BatchItem.project_id == project_id,
            BatchItem.source == source,
            BatchItem.round_id == Round.id,
            IS_OPEN,
            _has_slot(is_free),
            ~_has_slot(BatchItemSlot.leased_by == annotator_id),
            condition,
        )
        .order_by(BatchItem.rank)
        .limit(limit)
        .lateral()
    )
    rows = session.execute(
        select(best.c.id, best.c.slot)
        .select_from(Round)
        .join(best, true())
        .where(Round.project_id == project_id)
        .order_by(Round.id.desc(), best.c.rank)
        .limit(limit)
    )
    return [(batch_item_id, slot) for batch_item_id, slot in rows]


def lease_kept_slots(
    session: Session,
    project_id: int,
    annotator_id: int,
    limit: int,
    lease_seconds: float,
    *,
    is_adjudicator: bool,
) -> list[Slot]:
    """Lease up to `limit` free slots that are kept for this annotator, one per item.

    Those reassigned to them and, for an adjudicator, items whose labels do not agree; both only
    where the budget counts the item already. Best rank first.
    """
    if limit <= 0:
        return []
    kept = (
        select(BatchItemSlot.batch_item_id, func.min(BatchItemSlot.slot).label("slot"))
        .where(
            BatchItemSlot.project_id == project_id,
            IS_KEPT,
            _is_free_for(annotator_id, is_adjudicator=is_adjudicator),
        )
        .group_by(BatchItemSlot.batch_item_id)
        .subquery()
    )
    rows = session.execute(
        select(BatchItem.id, kept.c.slot)
        .join(kept, kept.c.batch_item_id == BatchItem.id)
        .where(
            IS_OPEN,
            or_(BatchItem.source == BatchSource.BATCH, IS_COMMITTED),
            ~_has_slot(BatchItemSlot.leased_by == annotator_id),
        )
        .order_by(BatchItem.round_id, BatchItem.rank)
        .limit(limit)
    )
    slots = [(batch_item_id, slot) for batch_item_id, slot in rows]
    lease_slots(session, slots, annotator_id, lease_seconds)
    return slots


def lease_slots(
    session: Session, slots: Sequence[Slot], annotator_id: int, lease_seconds: float
) -> None:
    """Give the slots to the annotator until `lease_seconds` from now, by the database's clock."""
    if slots:
        session.execute(
            update(table_of(BatchItemSlot))
            .where(*_IS_GIVEN_SLOT)
            .values(
                leased_by=annotator_id,
                leased_until=func.now() + timedelta(seconds=lease_seconds),
            ),
            as_json(SLOT_KEY, slots),
        )


def leased_items(session: Session, slots: Sequence[Slot]) -> list[LeasedItem]:
    """Return the items of these slots, in the slots' order."""
    if not slots:
        return []
    rows = session.execute(
        select(
            BatchItemSlot.batch_item_id,
            BatchItemSlot.slot,
            Item.id,
            Item.project_id,
            Item.index,
            Item.external_id,
            Item.text,
            BatchItem.source,
            BatchItem.rank,
            BatchItem.suggestion_class,
            BatchItem.suggestion_confidence,
            Model.round_number,
            func.coalesce(Round.n_labeled, 0),
            BatchItemSlot.leased_until,
        )
        .join(BatchItem, BatchItem.item_id == Item.id)
        .join(Round, Round.id == BatchItem.round_id)
        .join(BatchItemSlot, BatchItemSlot.batch_item_id == BatchItem.id)
        .outerjoin(Model, Model.id == Round.model_id)
        .where(*_IS_GIVEN_SLOT),
        as_json(SLOT_KEY, slots),
    )
    by_slot = {}
    for batch_item_id, slot, id_, project_id, index, external_id, text, source, *facts in rows:
        shown = ShownItem(id_, project_id, index, external_id, text)
        by_slot[batch_item_id, slot] = LeasedItem(shown, BatchSource(source), *facts)
    return [by_slot[slot] for slot in slots]


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


def withdraw_uncommitted(
    session: Session, project_id: int, *, keep_round_id: int | None = None
) -> int:
    """Withdraw the open reserve that nobody holds, but for one round's; return how many."""
    conditions = [
        BatchItem.project_id == project_id,
        IS_OPEN,
        BatchItem.source == BatchSource.RESERVE,
        # Not IS_COMMITTED, in the form that Postgres joins instead of asking row by row.
        ~_has_slot(BatchItemSlot.leased_by.is_not(None)),
        ~BatchItem.is_requeued,
    ]
    if keep_round_id is not None:
        conditions.append(BatchItem.round_id != keep_round_id)
    return _withdraw(session, conditions)


def keep_as_reserve(session: Session, round_id: int) -> int:
    """Let what is open of the round's batch go on as reserve, held or not; return how many."""
    rows = session.execute(
        update(BatchItem)
        .where(BatchItem.round_id == round_id, IS_OPEN, BatchItem.source == BatchSource.BATCH)
        .values(source=BatchSource.RESERVE)
        .returning(BatchItem.id)
    )
    return len(rows.all())


def withdraw_all_open(session: Session, project_id: int) -> int:
    """Withdraw every open item, whoever holds it; return how many."""
    return _withdraw(session, [BatchItem.project_id == project_id, IS_OPEN])


def _withdraw(session: Session, conditions: list[ColumnElement[bool]]) -> int:
    rows = session.execute(
        update(BatchItem)
        .where(*conditions)
        .values(state=BatchItemState.WITHDRAWN)
        .returning(BatchItem.id)
        .execution_options(synchronize_session=False)
    )
    return len(rows.all())


def excluded_pool_indices(session: Session, project_id: int) -> list[int]:
    """Return the pool indices that a selection may not rank, ascending.

    They are the items that are resolved, skipped, or open and committed.
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
    return sorted(session.scalars(resolved.union(held)))


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
        statement = statement.where(_has_slot(BatchItemSlot.filled.is_(True)))
    return session.scalars(statement).all()
