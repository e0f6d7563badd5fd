"""What a request of answers reads of its items, and what it writes back: a statement a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import and_, func, insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import Insert, Update

from app.db.queries.rows import (
    Rows,
    Values,
    as_arrays,
    is_one_of,
    names_of,
    table_of,
    unnested,
)
from app.db.tables import (
    BatchItem,
    BatchItemSlot,
    ConsensusSource,
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
    """A label that stands."""

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
    """An answer that another of the same annotator replaces."""

    item_id: int
    annotator_id: int
    class_index: int


BATCH_ITEM_COLUMNS = [getattr(BatchItem, name) for name in names_of(BatchItemRow)]
ROUND_COLUMNS = [getattr(Round, name) for name in names_of(RoundFacts)]
RESOLVED_COLUMNS = [getattr(ResolvedLabel, name) for name in names_of(ResolvedRow)]
LABEL_KEY = ("item_id", "annotator_id")
IS_STANDING = Label.withdrawn_at.is_(None)


class Standing:
    """What stands of a request's items in the database.

    Attributes:
        items: pool items of the project -> their pool index.
        live: by item, its batch item that is not withdrawn, and the round that ranked it.
        slots: by batch item, ascending.
        given: by item, labels that stand in order of giving.
        resolved: resolved label by item.
        revisions: answers that were replaced since the last `write`.
    """

    def __init__(self, session: Session, project_id: int, item_ids: Sequence[int]) -> None:
        self._session = session
        self.items: dict[int, int] = {}
        self.live: dict[int, tuple[BatchItemRow, RoundFacts]] = {}
        self.resolved: dict[int, ResolvedRow] = {}
        self.slots: dict[int, list[SlotRow]] = {}
        self.given: dict[int, list[LabelRow]] = {}
        self.revisions: list[Revision] = []
        self._read_items(project_id, item_ids)
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

    def _read_items(self, project_id: int, item_ids: Sequence[int]) -> None:
        n_batch, n_round = len(BATCH_ITEM_COLUMNS), len(ROUND_COLUMNS)
        rows = self._session.execute(
            select(Item.id, Item.index, *BATCH_ITEM_COLUMNS, *ROUND_COLUMNS, *RESOLVED_COLUMNS)
            .outerjoin(
                BatchItem,
                and_(BatchItem.item_id == Item.id, BatchItem.state != BatchItemState.WITHDRAWN),
            )
            .outerjoin(Round, Round.id == BatchItem.round_id)
            .outerjoin(ResolvedLabel, ResolvedLabel.item_id == Item.id)
            .where(
                Item.project_id == project_id,
                Item.split == Split.POOL,
                is_one_of(Item.id, item_ids),
            )
        )
        rounds: dict[int, RoundFacts] = {}
        for item_id, index, *rest in rows:
            self.items[item_id] = index
            batch, round_, resolved = _cut(rest, n_batch, n_batch + n_round)
            if batch[0] is not None:
                row = BatchItemRow(*batch)
                facts = rounds.setdefault(row.round_id, RoundFacts(*round_))
                self.live[item_id] = (row, facts)
            if resolved[0] is not None:
                self.resolved[item_id] = ResolvedRow(*resolved)

    def _read_slots(self) -> None:
        ids = [batch_item.id for batch_item in self._all_live()]
        self.slots = {id_: [] for id_ in ids}
        for row in self._session.execute(
            select(*[getattr(BatchItemSlot, name) for name in names_of(SlotRow)])
            .where(is_one_of(BatchItemSlot.batch_item_id, ids))
            .order_by(BatchItemSlot.batch_item_id, BatchItemSlot.slot)
        ):
            self.slots[row.batch_item_id].append(SlotRow(*row))

    def _read_labels(self) -> None:
        self.given = {item_id: [] for item_id in self.items}
        for row in self._session.execute(
            select(*[getattr(Label, name) for name in names_of(LabelRow)])
            .where(is_one_of(Label.item_id, list(self.items)), IS_STANDING)
            .order_by(Label.id)
        ):
            self.given[row.item_id].append(LabelRow(*row))


class LabelRows(Rows[LabelRow]):
    """Labels that stand; one that stands no more is kept as history."""

    def _remove(self, session: Session, keys: Sequence[Values]) -> None:
        session.execute(_withdraw(), as_arrays(LABEL_KEY, keys))


@lru_cache
def _withdraw() -> Update:
    gone = unnested(table_of(Label), LABEL_KEY)
    return (
        update(table_of(Label))
        .where(*[Label.__table__.c[name] == gone.c[name] for name in LABEL_KEY], IS_STANDING)
        .values(withdrawn_at=func.now())
    )


def _cut(row: Sequence[Any], first: int, second: int) -> tuple[Any, Any, Any]:
    return row[:first], row[first:second], row[second:]


def keep_revisions(session: Session, revisions: Sequence[Revision]) -> None:
    """Write answers that were replaced into the history of their labels, which are written."""
    rows = [(r.item_id, r.annotator_id, r.class_index) for r in revisions]
    session.execute(_keep_revisions(), as_arrays(names_of(Revision), rows))


@lru_cache
def _keep_revisions() -> Insert:
    old = unnested(table_of(Label), names_of(Revision))
    replaced = select(Label.id, old.c.class_index).where(
        Label.item_id == old.c.item_id,
        Label.annotator_id == old.c.annotator_id,
        IS_STANDING,
    )
    return insert(table_of(LabelRevision)).from_select(["label_id", "class_index"], replaced)
