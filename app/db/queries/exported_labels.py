"""Statements on labels that are exported: which, in pages by index, and how many."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, func, select
from sqlalchemy.orm import Session

from app.db.queries import flags
from app.db.queries.items import ItemContent, content_of
from app.db.queries.labels import GivenLabel, given_labels
from app.db.tables import (
    Annotator,
    BatchItem,
    ConsensusSource,
    Item,
    ItemFlag,
    Label,
    LabelSource,
    ResolvedLabel,
    Split,
)
from app.domain.states import BatchItemState


@dataclass(frozen=True)
class ExportedLabel:
    """One resolved label as it is exported."""

    item_id: int
    external_id: str
    split: Split
    index: int
    class_index: int
    source: LabelSource
    round_number: int | None
    is_control: bool
    method: ConsensusSource
    agreement: float
    confidence: float | None
    labels: list[GivenLabel]
    flags: list[str]
    resolved_at: datetime
    metadata: dict[str, Any]
    content: ItemContent


@dataclass(frozen=True)
class LabelFilter:
    """The resolved labels that are wanted; what is None takes all.

    Attributes:
        class_index: of this class.
        round_number: labeled in this round.
        annotator: that this annotator has labeled.
        is_flagged: with an open flag, or without one.
        max_agreement: whose annotators agree at most so far, 0..1.
        since: resolved at this instant or later.
        split: of this split; None: of both. An item of the evaluation split has the class that was
            imported with it, and nobody's labels.
    """

    class_index: int | None = None
    round_number: int | None = None
    annotator: str | None = None
    is_flagged: bool | None = None
    max_agreement: float | None = None
    since: datetime | None = None
    split: Split | None = Split.POOL

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that are wanted."""
        return tuple(Split) if self.split is None else (self.split,)

    def evaluation_conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions on an item of the evaluation split."""
        found: list[ColumnElement[bool]] = [Item.erased_at.is_(None)]
        if self.class_index is not None:
            found.append(Item.class_index == self.class_index)
        if self.since is not None:
            found.append(Item.created_at >= self.since)
        no_labels = (self.round_number, self.annotator) != (None, None)
        if no_labels or (self.max_agreement is not None and self.max_agreement < 1):
            found.append(false())
        return [*found, *self._flag_conditions()]

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions on an item and its resolved label."""
        found: list[ColumnElement[bool]] = []
        if self.class_index is not None:
            found.append(ResolvedLabel.class_index == self.class_index)
        if self.round_number is not None:
            found.append(ResolvedLabel.round_number == self.round_number)
        if self.max_agreement is not None:
            found.append(ResolvedLabel.agreement <= self.max_agreement)
        if self.since is not None:
            found.append(ResolvedLabel.resolved_at >= self.since)
        if self.annotator is not None:
            given = select(Label.item_id).join(Annotator, Annotator.id == Label.annotator_id)
            found.append(
                Item.id.in_(
                    given.where(
                        Annotator.name == self.annotator,
                        Label.project_id == Item.project_id,
                        Label.withdrawn_at.is_(None),
                    )
                )
            )
        return [*found, *self._flag_conditions()]

    def _flag_conditions(self) -> list[ColumnElement[bool]]:
        if self.is_flagged is None:
            return []
        flagged = exists().where(ItemFlag.item_id == Item.id, ItemFlag.closed_at.is_(None))
        return [flagged if self.is_flagged else ~flagged]


def export_page(
    session: Session,
    project_id: int,
    page: tuple[int, int],
    wanted: LabelFilter,
) -> list[ExportedLabel]:
    """Return the wanted resolved labels of a page (after this pool index, up to so many)."""
    after_index, limit = page
    rows = session.execute(
        select(Item, ResolvedLabel, func.coalesce(BatchItem.is_control, false()))
        .join(ResolvedLabel, ResolvedLabel.item_id == Item.id)
        .outerjoin(
            BatchItem,
            and_(BatchItem.item_id == Item.id, BatchItem.state == BatchItemState.LABELED),
        )
        .where(
            Item.project_id == project_id,
            Item.split == Split.POOL,
            Item.index > after_index,
            *wanted.conditions(),
        )
        .order_by(Item.index)
        .limit(limit)
    ).all()
    item_ids = [item.id for item, _, _ in rows]
    given = given_labels(session, item_ids)
    comments = flags.open_comments(session, item_ids)
    return [
        ExportedLabel(
            item_id=item.id,
            external_id=item.external_id,
            split=Split.POOL,
            index=item.index,
            class_index=label.class_index,
            source=LabelSource(label.source),
            round_number=label.round_number,
            is_control=is_control,
            method=ConsensusSource(label.method),
            agreement=label.agreement,
            confidence=label.confidence,
            labels=given.get(item.id, []),
            flags=comments.get(item.id, []),
            resolved_at=label.resolved_at,
            metadata=item.metadata_ or {},
            content=content_of(item),
        )
        for item, label, is_control in rows
    ]


def evaluation_page(
    session: Session, project_id: int, page: tuple[int, int], wanted: LabelFilter
) -> list[ExportedLabel]:
    """Return the wanted items of the evaluation split of a page, as labels of the import."""
    after_index, limit = page
    found = session.scalars(
        select(Item)
        .where(
            Item.project_id == project_id,
            Item.split == Split.EVALUATION,
            Item.index > after_index,
            *wanted.evaluation_conditions(),
        )
        .order_by(Item.index)
        .limit(limit)
    ).all()
    comments = flags.open_comments(session, [item.id for item in found])
    return [
        ExportedLabel(
            item_id=item.id,
            external_id=item.external_id,
            split=Split.EVALUATION,
            index=item.index,
            class_index=item.class_index,
            source=LabelSource.IMPORT,
            round_number=None,
            is_control=False,
            method=ConsensusSource.IMPORTED,
            agreement=1.0,
            confidence=None,
            labels=[],
            flags=comments.get(item.id, []),
            resolved_at=item.created_at,
            metadata=item.metadata_ or {},
            content=content_of(item),
        )
        for item in found
        if item.class_index is not None
    ]


def count(
    session: Session, project_id: int, wanted: LabelFilter, at_most: int | None = None
) -> int:
    """Return how many labels are wanted, or `at_most` where there are more."""
    n = 0
    for split in wanted.splits:
        rows = select(Item.id).where(Item.project_id == project_id, Item.split == split)
        if split is Split.POOL:
            rows = rows.join(ResolvedLabel, ResolvedLabel.item_id == Item.id)
            rows = rows.where(*wanted.conditions())
        else:
            rows = rows.where(*wanted.evaluation_conditions())
        left = None if at_most is None else at_most - n
        n += session.scalar(select(func.count()).select_from(rows.limit(left).subquery())) or 0
    return n
