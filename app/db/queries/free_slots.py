"""Statements that lease free slots, best rank first.

All of them expect that the caller holds the project's row lock.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import LateralFromClause

from app.db.queries.batches import IS_COMMITTED, IS_OPEN, PROJECT, committed_ids, has_slot
from app.db.queries.leases import ANNOTATOR, IS_HELD, Slot, lease_slots, read_slots
from app.db.tables import BatchItem, BatchItemSlot, BatchSource, Round

LIMIT = bindparam("limit", type_=BigInteger)
DRAWN_FROM = 64  # items that a poll draws from beyond those that it hands out


IS_KEPT = or_(BatchItemSlot.reserved_for.is_not(None), BatchItemSlot.for_adjudicator)


def lease_free_slots(  # noqa: PLR0913 - by name: which slots, in which order
    session: Session,
    project_id: int,
    annotator_id: int,
    limit: int,
    lease_seconds: float,
    *,
    uncommitted_reserve: bool = False,
    is_adjudicator: bool = False,
    order: Callable[[Slot], float] | None = None,
) -> list[Slot]:
    """Lease up to `limit` free slots, one per item, and return them.

    The slots come from what the budget already counts (items of the batch, and reserve items that
    another annotator holds or answered) or, with `uncommitted_reserve`, from the reserve that
    nobody holds. The newest ranking goes first, best rank first. Leaves out items that this
    annotator holds or has answered, and slots kept for others. An `order` chooses among a few
    more of the best ranked.
    """
    more = 0 if order is None else DRAWN_FROM
    source = BatchSource.RESERVE if uncommitted_reserve else BatchSource.BATCH
    statements = [
        _free_slots(source, is_uncommitted=uncommitted_reserve, is_adjudicator=is_adjudicator)
    ]
    if not uncommitted_reserve:
        statements.append(_free_slots_of_committed(is_adjudicator=is_adjudicator))
    given = {"project": project_id, "annotator": annotator_id}
    slots: list[Slot] = []
    for statement in statements:
        if len(slots) < limit:
            n_left = limit - len(slots)
            best = read_slots(session, statement, given | {"limit": n_left + more})
            slots += (sorted(best, key=order) if order else best)[:n_left]
    lease_slots(session, slots, annotator_id, lease_seconds)
    return slots


def lease_kept_slots(  # noqa: PLR0913 - all bound in one statement
    session: Session,
    project_id: int,
    annotator_id: int,
    limit: int,
    lease_seconds: float,
    *,
    is_adjudicator: bool,
) -> list[Slot]:
    """Lease up to `limit` free slots that are kept for this annotator, one per item.

    These are items reassigned to them and, for an adjudicator, items whose labels do not agree;
    both only where the budget already counts the item. Best rank first.
    """
    if limit <= 0:
        return []
    given = {"project": project_id, "annotator": annotator_id, "limit": limit}
    slots = read_slots(session, _kept_slots(is_adjudicator=is_adjudicator), given)
    lease_slots(session, slots, annotator_id, lease_seconds)
    return slots


def _is_free(*, is_adjudicator: bool) -> ColumnElement[bool]:
    """Return the condition that a slot is free and not kept for somebody else."""
    return and_(
        BatchItemSlot.leased_by.is_(None),
        or_(BatchItemSlot.reserved_for.is_(None), BatchItemSlot.reserved_for == ANNOTATOR),
        true() if is_adjudicator else ~BatchItemSlot.for_adjudicator,
    )


@dataclass(frozen=True)
class _SlotsOfItem:
    """Summary of an item's slots: the first free one, and who holds or filled others.

    As an aggregate beside each item, which Postgres looks up in the order of the items and only
    until there are enough; conditions by EXISTS it joins for all that is open, which it then sorts.
    """

    rows: LateralFromClause

    @classmethod
    def of(cls, *, is_adjudicator: bool) -> "_SlotsOfItem":
        free = _is_free(is_adjudicator=is_adjudicator)
        return cls(
            select(
                func.min(BatchItemSlot.slot).filter(free).label("first_free"),
                func.bool_or(BatchItemSlot.leased_by == ANNOTATOR).label("is_mine"),
                func.bool_or(BatchItemSlot.leased_by.is_not(None)).label("is_taken"),
            )
            .where(BatchItemSlot.batch_item_id == BatchItem.id)
            .lateral()
        )

    @property
    def are_for_annotator(self) -> ColumnElement[bool]:
        """Condition that one is free and none is the annotator's own."""
        return and_(self.rows.c.first_free.is_not(None), self.rows.c.is_mine.is_not(True))


@lru_cache
def _free_slots(
    source: BatchSource, *, is_uncommitted: bool, is_adjudicator: bool
) -> Select[int, int]:
    """Return free slots of a source for the annotator, newest round and best rank first.

    A few rows of each round, in the order of the index ix_batch_items_open: sorting all that is
    open would cost every poll the size of the batch.
    """
    slots = _SlotsOfItem.of(is_adjudicator=is_adjudicator)
    uncommitted = and_(~slots.rows.c.is_taken, ~BatchItem.is_requeued)
    best = (
        select(BatchItem.id, BatchItem.rank, slots.rows.c.first_free)
        .join(slots.rows, true())
        .where(
            BatchItem.project_id == PROJECT,
            BatchItem.source == literal(source, literal_execute=True),
            BatchItem.round_id == Round.id,
            IS_OPEN,
            slots.are_for_annotator,
            uncommitted if is_uncommitted else true(),
        )
        .order_by(BatchItem.rank)
        .limit(LIMIT)
        .lateral()
    )
    return (
        select(best.c.id, best.c.first_free)
        .select_from(Round)
        .join(best, true())
        .where(Round.project_id == PROJECT)
        .order_by(Round.id.desc(), best.c.rank)
        .limit(LIMIT)
    )


@lru_cache
def _free_slots_of_committed(*, is_adjudicator: bool) -> Select[int, int]:
    """Return free slots of the reserve that is committed, newest round and best rank first."""
    slots = _SlotsOfItem.of(is_adjudicator=is_adjudicator)
    # Else Postgres looks for the items anew for each that is open.
    committed = committed_ids(PROJECT).cte("committed").prefix_with("MATERIALIZED")
    return (
        select(BatchItem.id, slots.rows.c.first_free)
        .join(committed, committed.c.id == BatchItem.id)
        .join(slots.rows, true())
        .where(BatchItem.source == BatchSource.RESERVE, slots.are_for_annotator)
        .order_by(BatchItem.round_id.desc(), BatchItem.rank)
        .limit(LIMIT)
    )


@lru_cache
def _kept_slots(*, is_adjudicator: bool) -> Select[int, int]:
    """Return free slots that are kept for the annotator, best rank first."""
    is_free = _is_free(is_adjudicator=is_adjudicator)
    kept = (
        select(BatchItemSlot.batch_item_id, func.min(BatchItemSlot.slot).label("slot"))
        .where(BatchItemSlot.project_id == PROJECT, IS_KEPT, is_free)
        .group_by(BatchItemSlot.batch_item_id)
        .subquery()
    )
    return (
        select(BatchItem.id, kept.c.slot)
        .join(kept, kept.c.batch_item_id == BatchItem.id)
        .where(
            IS_OPEN,
            or_(BatchItem.source == BatchSource.BATCH, IS_COMMITTED),
            ~has_slot(IS_HELD),
        )
        .order_by(BatchItem.round_id, BatchItem.rank)
        .limit(LIMIT)
    )
