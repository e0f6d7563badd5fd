"""Statements on leases: who holds which slots, and what annotators see of the items.

All of them expect that the caller holds the project's row lock. Every poll sends most of them, so
that each is built once: building one takes longer than Postgres takes to answer it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    FromClause,
    Interval,
    Select,
    bindparam,
    func,
    select,
    update,
)
from sqlalchemy.orm import Session

from app.db.queries.batches import IS_OPEN, PROJECT
from app.db.queries.rows import as_json, from_json, is_one_of, table_of
from app.db.tables import (
    BatchItem,
    BatchItemSlot,
    BatchSource,
    GoldAnswer,
    Item,
    Model,
    Round,
    TokenAnnotator,
)

Slot = tuple[int, int]  # (batch item, slot)


SLOT_KEY = ("batch_item_id", "slot")


_SLOTS = table_of(BatchItemSlot)


_GIVEN = from_json(_SLOTS, SLOT_KEY)  # as_json(SLOT_KEY, slots)


_IS_GIVEN = (
    _SLOTS.c.batch_item_id == _GIVEN.c.batch_item_id,
    _SLOTS.c.slot == _GIVEN.c.slot,
)


ANNOTATOR = bindparam("annotator", type_=BigInteger)


_FREE_EXPIRED = (
    update(_SLOTS)
    .where(
        _SLOTS.c.project_id == PROJECT,
        _SLOTS.c.leased_until <= func.now(),
        ~_SLOTS.c.filled,
    )
    .values(leased_by=None, leased_until=None)
    .returning(_SLOTS.c.slot)
)


_HELD = (
    select(BatchItemSlot.batch_item_id, BatchItemSlot.slot)
    .join(BatchItem, BatchItem.id == BatchItemSlot.batch_item_id)
    .where(
        BatchItemSlot.project_id == PROJECT,
        BatchItemSlot.leased_by == ANNOTATOR,
        BatchItemSlot.leased_until.is_not(None),  # says the same; lets the leases' index serve
        ~BatchItemSlot.filled,
        IS_OPEN,
    )
    .order_by(BatchItem.source, BatchItem.round_id, BatchItem.rank)
)


_HELD_OF_ITEMS = _HELD.where(is_one_of(table_of(BatchItem).c.item_id, "ids"))


_LEASE = (
    update(_SLOTS)
    .where(*_IS_GIVEN)
    .values(leased_by=ANNOTATOR, leased_until=func.now() + bindparam("seconds", type_=Interval))
)


_LEASED = _LEASE.returning(_SLOTS.c.batch_item_id, _SLOTS.c.slot, _SLOTS.c.leased_until).cte(
    "leased"
)


def _items_of(slots: FromClause) -> Select[Any]:
    """Return the items of these slots, as annotators see them."""
    return (
        select(
            slots.c.batch_item_id,
            slots.c.slot,
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
            slots.c.leased_until,
        )
        .join(BatchItem, BatchItem.item_id == Item.id)
        .join(Round, Round.id == BatchItem.round_id)
        .join(slots, slots.c.batch_item_id == BatchItem.id)
        .outerjoin(Model, Model.id == Round.model_id)
    )


_LEASE_ITEMS = _items_of(_LEASED)
_LEASED_ITEMS = _items_of(_SLOTS).where(*_IS_GIVEN)


@dataclass(frozen=True, slots=True)
class ShownItem:
    """An item as annotators see it; without a text it is an image."""

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


def free_expired_leases(session: Session, project_id: int) -> int:
    """Free the slots whose lease has ended; return how many."""
    return len(session.execute(_FREE_EXPIRED, {"project": project_id}).all())


def leases_of(
    session: Session,
    project_id: int,
    annotator_id: int,
    item_ids: Sequence[int] | None = None,
) -> list[Slot]:
    """Return the slots of open items that the annotator holds, best rank first."""
    given: dict[str, Any] = {"project": project_id, "annotator": annotator_id}
    statement = _HELD
    if item_ids is not None:
        statement = _HELD_OF_ITEMS
        given["ids"] = list(item_ids)
    return [(batch_item_id, slot) for batch_item_id, slot in session.execute(statement, given)]


def n_held_through(session: Session, project_id: int, token_id: int) -> int:
    """Return how many items of the project the token's annotators hold, gold included."""
    people = select(TokenAnnotator.annotator_id).where(TokenAnnotator.token_id == token_id)
    slots = (
        select(func.count())
        .select_from(BatchItemSlot)
        .join(BatchItem, BatchItem.id == BatchItemSlot.batch_item_id)
        .where(
            BatchItemSlot.project_id == project_id,
            BatchItemSlot.leased_until > func.now(),
            ~BatchItemSlot.filled,
            BatchItemSlot.leased_by.in_(people),
            IS_OPEN,
        )
    )
    gold = select(func.count()).where(
        GoldAnswer.project_id == project_id,
        GoldAnswer.leased_until > func.now(),
        GoldAnswer.class_index.is_(None),
        GoldAnswer.skipped_at.is_(None),
        GoldAnswer.annotator_id.in_(people),
    )
    return sum(session.scalars(statement).one() for statement in (slots, gold))


def lease_items(
    session: Session, slots: Sequence[Slot], annotator_id: int, lease_seconds: float
) -> list[LeasedItem]:
    """Lease the slots until `lease_seconds` from now; return their items, in the slots' order.

    By the database's clock.
    """
    if not slots:
        return []
    lease = {"annotator": annotator_id, "seconds": timedelta(seconds=lease_seconds)}
    return _read_items(session, _LEASE_ITEMS, slots, lease)


def leased_items(session: Session, slots: Sequence[Slot]) -> list[LeasedItem]:
    """Return the items of these slots, in the slots' order."""
    return _read_items(session, _LEASED_ITEMS, slots, {}) if slots else []


def _read_items(
    session: Session, statement: Select[Any], slots: Sequence[Slot], given: dict[str, Any]
) -> list[LeasedItem]:
    by_slot = {}
    for (
        batch_item_id,
        slot,
        id_,
        project_id,
        index,
        external_id,
        text_,
        source,
        *facts,
    ) in session.execute(statement, as_json(SLOT_KEY, slots) | given):
        shown = ShownItem(id_, project_id, index, external_id, text_)
        by_slot[batch_item_id, slot] = LeasedItem(shown, BatchSource(source), *facts)
    return [by_slot[slot] for slot in slots]
