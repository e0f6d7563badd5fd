"""Reads the items of a request of answers and writes them back, with one statement per table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, bindparam, func, insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import Insert, Update

from app.db.queries.rows import (
    Rows,
    Values,
    as_json,
    from_json,
    is_one_of,
    names_of,
    table_of,
)
from app.db.tables import (
    BatchItem,
    BatchItemSlot,
    ConsensusSource,
    GoldAnswer,
    Item,
    Label,
    LabelRevision,
    ResolvedLabel,
    Round,
    Split,
)
from app.domain.states import BatchItemState


@dataclass(slots=True)
class BatchItemRow:
    """A batch item as answers change it."""

    id: int
    item_id: int
    round_id: int
    source: str
    state: str
    labels_wanted: int
    is_requeued: bool
    skip_reason: str | None
    skip_comment: str | None
    skipped_by: int | None
    resolved_at: datetime | None


@dataclass(slots=True)
class SlotRow:
    """A slot of a batch item."""

    batch_item_id: int
    slot: int
    project_id: int
    leased_by: int | None = None
    leased_until: datetime | None = None
    filled: bool = False
    reserved_for: int | None = None
    for_adjudicator: bool = False


@dataclass(slots=True)
class LabelRow:
    """A label that was given here and not withdrawn."""

    item_id: int
    annotator_id: int
    project_id: int
    batch_item_id: int
    class_index: int
    seconds: float | None
    labels_behind: int
    on_reserve: bool
    is_adjudication: bool
    revised_at: datetime | None = None
    is_distrusted: bool = False
    is_excluded: bool = False


@dataclass(slots=True)
class ResolvedRow:
    """A resolved label."""

    item_id: int
    project_id: int
    class_index: int
    source: str
    round_number: int | None
    label_version: int
    method: str = ConsensusSource.MAJORITY
    agreement: float = 1.0
    confidence: float | None = None


@dataclass(frozen=True)
class RoundFacts:
    """The round that ranked an item."""

    number: int
    state: str
    n_labeled: int | None


@dataclass(frozen=True)
class Revision:
    """An answer that the same annotator replaced by another."""

    item_id: int
    annotator_id: int
    class_index: int


def _columns_of(kind: type[Any], table: Table) -> list[ColumnElement[Any]]:
    return [table.c[name] for name in names_of(kind)]


def _select_items() -> Select[Any]:
    item, batch_item, round_, resolved = map(table_of, (Item, BatchItem, Round, ResolvedLabel))
    gold = table_of(GoldAnswer)
    is_live = batch_item.c.state != BatchItemState.WITHDRAWN
    is_theirs = gold.c.annotator_id == bindparam("annotator_id")
    return (
        select(
            func.now().label("now"),
            item.c.id,
            item.c.index,
            gold.c.item_id.is_not(None),
            *_columns_of(BatchItemRow, batch_item),
            *_columns_of(RoundFacts, round_),
            *_columns_of(ResolvedRow, resolved),
        )
        .select_from(item)
        .outerjoin(batch_item, and_(batch_item.c.item_id == item.c.id, is_live))
        .outerjoin(round_, round_.c.id == batch_item.c.round_id)
        .outerjoin(resolved, resolved.c.item_id == item.c.id)
        .outerjoin(gold, and_(gold.c.item_id == item.c.id, is_theirs))
        .where(
            item.c.project_id == bindparam("project_id"),
            item.c.split == Split.POOL,
            is_one_of(item.c.id, "ids"),
        )
    )


_SLOT = table_of(BatchItemSlot)
_LABEL = table_of(Label)
LABEL_KEY = ("item_id", "annotator_id")
# Of labels given here: imported ones are history, and the labels that resolve items not given out.
IS_STANDING = and_(_LABEL.c.withdrawn_at.is_(None), _LABEL.c.batch_item_id.is_not(None))
# Built once: building one takes longer than Postgres takes to answer it.
_ITEMS = _select_items()
_SLOTS = (
    select(*_columns_of(SlotRow, _SLOT))
    .where(is_one_of(_SLOT.c.batch_item_id, "ids"))
    .order_by(_SLOT.c.batch_item_id, _SLOT.c.slot)
)
_LABELS = (
    select(*_columns_of(LabelRow, _LABEL))
    .where(is_one_of(_LABEL.c.item_id, "ids"), IS_STANDING)
    .order_by(_LABEL.c.id)
)


class AnswerState:
    """The state of a request's items in the database.

    Attributes:
        items: pool items of the project -> their pool index.
        live: by item, its batch item that is not withdrawn, and the round that ranked it.
        slots: by batch item, ascending.
        given: by item, its labels that were given here and not withdrawn, oldest first.
        resolved: resolved label by item.
        gold: items that the annotator was handed as gold.
        now: the transaction's instant by the database's clock.
        revisions: answers that were replaced since the last `write`.
    """

    def __init__(
        self, session: Session, project_id: int, annotator_id: int, item_ids: Sequence[int]
    ) -> None:
        self._session = session
        self.items: dict[int, int] = {}
        self.live: dict[int, tuple[BatchItemRow, RoundFacts]] = {}
        self.resolved: dict[int, ResolvedRow] = {}
        self.slots: dict[int, list[SlotRow]] = {}
        self.given: dict[int, list[LabelRow]] = {}
        self.gold: set[int] = set()
        self.revisions: list[Revision] = []
        self._read_items(project_id, annotator_id, item_ids)
        self._read_slots()
        self._read_labels()
        self._batch_items = Rows(BatchItem, BatchItemRow, 1, self._all_live())
        self._slots = Rows(BatchItemSlot, SlotRow, 2, self._all_slots())
        self._labels = LabelRows(Label, LabelRow, 2, self._all_labels(), IS_STANDING)
        self._resolved = Rows(ResolvedLabel, ResolvedRow, 1, self.resolved.values())

    def write(self) -> None:
        """Write what changed since the last time."""
        self._batch_items.write(self._session, self._all_live())
        self._slots.write(self._session, self._all_slots())
        self._labels.write(self._session, self._all_labels())
        self._resolved.write(self._session, self.resolved.values())
        if self.revisions:
            keep_revisions(self._session, self.revisions)
            self.revisions.clear()

    def _all_live(self) -> Iterable[BatchItemRow]:
        return (batch_item for batch_item, _ in self.live.values())

    def _all_slots(self) -> Iterable[SlotRow]:
        return (slot for slots in self.slots.values() for slot in slots)

    def _all_labels(self) -> Iterable[LabelRow]:
        return (label for labels in self.given.values() for label in labels)

    def _read_items(self, project_id: int, annotator_id: int, item_ids: Sequence[int]) -> None:
        n_batch = 4 + len(names_of(BatchItemRow))
        n_round = n_batch + len(names_of(RoundFacts))
        rounds: dict[int, RoundFacts] = {}
        given = {"project_id": project_id, "annotator_id": annotator_id, "ids": list(item_ids)}
        rows = self._session.execute(_ITEMS, given).all()
        self.now = rows[0].now if rows else self._session.scalars(select(func.now())).one()
        for row in rows:
            _, item_id, index, is_gold = row[:4]
            batch, round_, resolved = row[4:n_batch], row[n_batch:n_round], row[n_round:]
            self.items[item_id] = index
            if is_gold:
                self.gold.add(item_id)
            if batch[0] is not None:
                batch_item = BatchItemRow(*batch)
                facts = rounds.setdefault(batch_item.round_id, RoundFacts(*round_))
                self.live[item_id] = (batch_item, facts)
            if resolved[0] is not None:
                self.resolved[item_id] = ResolvedRow(*resolved)

    def _read_slots(self) -> None:
        ids = [batch_item.id for batch_item in self._all_live()]
        self.slots = {id_: [] for id_ in ids}
        for row in self._session.execute(_SLOTS, {"ids": ids}):
            slot = SlotRow(*row)
            self.slots[slot.batch_item_id].append(slot)

    def _read_labels(self) -> None:
        self.given = {item_id: [] for item_id in self.items}
        for row in self._session.execute(_LABELS, {"ids": list(self.items)}):
            label = LabelRow(*row)
            self.given[label.item_id].append(label)


class LabelRows(Rows[LabelRow]):
    """Labels that were not withdrawn; a withdrawn one is kept as history."""

    def _remove(self, session: Session, keys: Sequence[Values]) -> None:
        session.execute(_withdraw(), as_json(LABEL_KEY, keys))


@lru_cache
def _withdraw() -> Update:
    gone = from_json(table_of(Label), LABEL_KEY)
    return (
        update(table_of(Label))
        .where(*[Label.__table__.c[name] == gone.c[name] for name in LABEL_KEY], IS_STANDING)
        .values(withdrawn_at=func.now())
    )


def keep_revisions(session: Session, revisions: Sequence[Revision]) -> None:
    """Write replaced answers into the history of their labels, which must be written already."""
    rows = [(r.item_id, r.annotator_id, r.class_index) for r in revisions]
    session.execute(_keep_revisions(), as_json(names_of(Revision), rows))


@lru_cache
def _keep_revisions() -> Insert:
    old = from_json(table_of(Label), names_of(Revision))
    replaced = select(Label.id, old.c.class_index).where(
        Label.item_id == old.c.item_id,
        Label.annotator_id == old.c.annotator_id,
        IS_STANDING,
    )
    return insert(table_of(LabelRevision)).from_select(["label_id", "class_index"], replaced)
