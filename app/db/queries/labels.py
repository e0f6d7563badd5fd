"""Statements on labels, their revisions and the resolved labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import Session

from app.db.queries.columns import IntArray, columns
from app.db.tables import (
    Annotator,
    BatchItem,
    Item,
    Label,
    LabelRevision,
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
            .where(
                exists().where(  # one look into an index for each, however many labels
                    Label.project_id == project_id,
                    Label.annotator_id == Annotator.id,
                    Label.withdrawn_at.is_(None),
                )
            )
            .order_by(Annotator.name)
        )
    )


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
            func.coalesce(
                func.percentile_cont(0.5)
                .within_group(Label.labels_behind)
                .filter(Label.batch_item_id.is_not(None)),
                0.0,
            ),
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
    """Return how long the labels given here took, those withdrawn since too."""
    row = session.execute(
        select(func.count(), func.count(Label.seconds), func.avg(Label.seconds)).where(
            Label.project_id == project_id, Label.batch_item_id.is_not(None)
        )
    ).one()
    return AnnotatorTime(*row)
