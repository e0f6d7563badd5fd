"""Statements for the consensus over all labels of a project, which the worker computes."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, exists, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from app.db.tables import (
    BatchItem,
    ConsensusSource,
    GoldAnswer,
    GoldItem,
    Item,
    Label,
    LabelSource,
    ResolvedLabel,
    Split,
)
from app.domain.states import BatchItemState


@dataclass(frozen=True)
class Opinion:
    """One label as the consensus sees it: pool index, annotator, class."""

    index: int
    annotator_id: int
    class_index: int


@dataclass(frozen=True)
class Consensus:
    """The consensus on one pool item, and how probable it is."""

    index: int
    class_index: int
    confidence: float


def opinions(session: Session, project_id: int) -> list[Opinion]:
    """Return the standing labels of resolved items by pool index.

    Items that were adjudicated are left out, and labels that do not count.
    """
    rows = session.execute(
        select(Item.index, Label.annotator_id, Label.class_index)
        .join(Item, Item.id == Label.item_id)
        .join(ResolvedLabel, ResolvedLabel.item_id == Label.item_id)
        .where(
            Label.project_id == project_id,
            Label.withdrawn_at.is_(None),
            ~Label.is_excluded,
            # Where an item was labeled here, these labels decide alone.
            or_(Label.batch_item_id.is_not(None), ResolvedLabel.source == LabelSource.IMPORT),
            ResolvedLabel.method != ConsensusSource.ADJUDICATED,
        )
        .order_by(Item.index, Label.id)
    )
    return [Opinion(*row) for row in rows]


def excluded_labels(session: Session, project_id: int) -> set[int]:
    """Return the ids of the project's labels that do not count."""
    wanted = select(Label.id).where(Label.project_id == project_id, Label.is_excluded)
    return set(session.scalars(wanted))


def gold_opinions(session: Session, project_id: int) -> list[tuple[int, int, int, int]]:
    """Return (pool index, annotator, class answered, class known) of every answer to gold."""
    rows = session.execute(
        select(Item.index, GoldAnswer.annotator_id, GoldAnswer.class_index, GoldItem.class_index)
        .join(GoldItem, GoldItem.item_id == GoldAnswer.item_id)
        .join(Item, Item.id == GoldAnswer.item_id)
        .where(GoldAnswer.project_id == project_id, GoldAnswer.class_index.is_not(None))
        .order_by(Item.index, GoldAnswer.annotator_id)
    )
    return [
        (index, annotator, given, known)
        for index, annotator, given, known in rows
        if given is not None
    ]


def resolved_by_index(
    session: Session, project_id: int, indices: Sequence[int]
) -> dict[int, ResolvedLabel]:
    """Return pool index -> resolved label, of these items; adjudicated ones left out.

    Joined, not `= ANY`, for which Postgres may scan the pool: see batches.selectable_items.
    """
    wanted = select(
        func.unnest(literal(list(indices), ARRAY(BigInteger))).label("index")
    ).subquery()
    is_labeled_here = exists().where(
        BatchItem.item_id == Item.id, BatchItem.state == BatchItemState.LABELED
    )
    rows = session.execute(
        select(Item.index, ResolvedLabel)
        .join(wanted, Item.index == wanted.c.index)
        .join(ResolvedLabel, ResolvedLabel.item_id == Item.id)
        .where(
            Item.project_id == project_id,
            Item.split == Split.POOL,
            or_(is_labeled_here, ResolvedLabel.source == LabelSource.IMPORT),
            ResolvedLabel.method.not_in([ConsensusSource.ADJUDICATED, ConsensusSource.IMPORTED]),
        )
    )
    return {index: resolved for index, resolved in rows}  # noqa: C416 - types
