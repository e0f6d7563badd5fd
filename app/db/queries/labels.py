"""Statements on labels, their revisions and the resolved labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select
from sqlalchemy.orm import Session

from app.db.queries import flags
from app.db.queries.columns import IntArray, columns
from app.db.queries.items import ItemContent, content_of
from app.db.tables import (
    Annotator,
    BatchItem,
    ConsensusSource,
    Item,
    ItemFlag,
    Label,
    LabelRevision,
    LabelSource,
    ResolvedLabel,
    Round,
    SetAsideItem,
    Split,
)
from app.domain.states import BatchItemState


@dataclass(frozen=True)
class GivenLabel:
    """One annotator's label with their name."""

    annotator: str
    label: Label


@dataclass(frozen=True)
class ExportedLabel:
    """One resolved label as it is exported."""

    item_id: int
    external_id: str
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
    """

    class_index: int | None = None
    round_number: int | None = None
    annotator: str | None = None
    is_flagged: bool | None = None
    max_agreement: float | None = None
    since: datetime | None = None

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
        if self.is_flagged is not None:
            flagged = exists().where(ItemFlag.item_id == Item.id, ItemFlag.closed_at.is_(None))
            found.append(flagged if self.is_flagged else ~flagged)
        return found


def items_of_project(session: Session, project_id: int, item_ids: Sequence[int]) -> dict[int, Item]:
    """Return item id -> pool item, of those that belong to the project."""
    rows = session.scalars(
        select(Item).where(
            Item.project_id == project_id, Item.id.in_(item_ids), Item.split == Split.POOL
        )
    )
    return {item.id: item for item in rows}


def resolved_of_items(session: Session, item_ids: Sequence[int]) -> dict[int, ResolvedLabel]:
    """Return item id -> its resolved label."""
    rows = session.scalars(select(ResolvedLabel).where(ResolvedLabel.item_id.in_(item_ids)))
    return {row.item_id: row for row in rows}


def n_classes_resolved(session: Session, project_id: int) -> int:
    """Return how many distinct classes the resolved labels hold, of items that can be read."""
    return (
        session.scalar(
            select(func.count(ResolvedLabel.class_index.distinct())).where(
                ResolvedLabel.project_id == project_id,
                ~exists().where(SetAsideItem.item_id == ResolvedLabel.item_id),
            )
        )
        or 0
    )


def resolved_arrays(session: Session, project_id: int) -> tuple[IntArray, IntArray]:
    """Return (pool indices, class indices) of the resolved labels to train on, by index.

    Those of items that are set aside are left out.
    """
    index, classes = columns(
        session,
        select(Item.index, ResolvedLabel.class_index)
        .join(ResolvedLabel, ResolvedLabel.item_id == Item.id)
        .where(
            Item.project_id == project_id,
            Item.split == Split.POOL,
            ~exists().where(SetAsideItem.item_id == Item.id),
        ),
    )
    return index, classes


def uniformly_drawn(session: Session, project_id: int) -> IntArray:
    """Return the pool indices of labeled items that were drawn uniformly, ascending.

    Those are the control arms, and the items of rounds that selected uniformly without a model.
    """
    (index,) = columns(
        session,
        select(Item.index)
        .join(ResolvedLabel, ResolvedLabel.item_id == Item.id)
        .join(BatchItem, BatchItem.item_id == Item.id)
        .join(Round, Round.id == BatchItem.round_id)
        .where(
            Item.project_id == project_id,
            BatchItem.state == BatchItemState.LABELED,
            or_(
                BatchItem.is_control,
                and_(Round.strategy == "uniform", Round.model_id.is_(None)),
            ),
        ),
    )
    return index


def given_labels(
    session: Session, item_ids: Sequence[int], *, with_withdrawn: bool = False
) -> dict[int, list[GivenLabel]]:
    """Return item id -> its labels with their annotators, in order of giving."""
    statement = (
        select(Label, Annotator.name)
        .join(Annotator, Annotator.id == Label.annotator_id)
        .where(Label.item_id.in_(item_ids))
        .order_by(Label.id)
    )
    if not with_withdrawn:
        statement = statement.where(Label.withdrawn_at.is_(None))
    given: dict[int, list[GivenLabel]] = {}
    for label, name in session.execute(statement):
        given.setdefault(label.item_id, []).append(GivenLabel(name, label))
    return given


def earlier_classes(session: Session, label_ids: Sequence[int]) -> dict[int, list[int]]:
    """Return label id -> the classes that revisions replaced, oldest first."""
    classes: dict[int, list[int]] = {}
    for revision in session.scalars(
        select(LabelRevision)
        .where(LabelRevision.label_id.in_(label_ids))
        .order_by(LabelRevision.id)
    ):
        classes.setdefault(revision.label_id, []).append(revision.class_index)
    return classes


def annotators_of(session: Session, project_id: int) -> list[str]:
    """Return the names of those whose labels stand in the project, sorted."""
    return list(
        session.scalars(
            select(Annotator.name)
            .join(Label, Label.annotator_id == Annotator.id)
            .where(Label.project_id == project_id, Label.withdrawn_at.is_(None))
            .group_by(Annotator.name)
            .order_by(Annotator.name)
        )
    )


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


@dataclass(frozen=True)
class AnnotatorWork:
    """Counts of one annotator's labels; only labels that stand are counted."""

    name: str
    n_labels: int
    n_on_reserve: int
    labels_behind_median: float
    seconds_median: float | None
    last_label_at: datetime
    annotator_id: int
    n_flagged: int
    n_excluded: int


def work_by_annotator(session: Session, project_id: int) -> list[AnnotatorWork]:
    """Return the work of each annotator of the project, most labels first."""
    n_labels = func.count()
    rows = session.execute(
        select(
            Annotator.name,
            n_labels,
            func.count().filter(Label.on_reserve),
            func.percentile_cont(0.5).within_group(Label.labels_behind),
            func.percentile_cont(0.5).within_group(Label.seconds),
            func.max(Label.created_at),
            Annotator.id,
            func.count().filter(Label.is_flagged),
            func.count().filter(Label.is_excluded),
        )
        .join(Annotator, Annotator.id == Label.annotator_id)
        .where(Label.project_id == project_id, Label.withdrawn_at.is_(None))
        .group_by(Annotator.id)
        .order_by(n_labels.desc(), Annotator.name)
    )
    return [AnnotatorWork(*row) for row in rows]


@dataclass(frozen=True)
class AnnotatorTime:
    """Labels that were ever given, those that came with seconds, and the mean of these."""

    n_labels: int
    n_timed: int
    mean: float | None


def annotator_time(session: Session, project_id: int) -> AnnotatorTime:
    """Return how long the project's labels took, those withdrawn since too."""
    row = session.execute(
        select(func.count(), func.count(Label.seconds), func.avg(Label.seconds)).where(
            Label.project_id == project_id
        )
    ).one()
    return AnnotatorTime(*row)
