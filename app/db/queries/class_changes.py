"""Statements that count what names a class, and that let it name another."""

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.db.queries import models
from app.db.tables import (
    BatchItem,
    CoreSet,
    CoreSetItem,
    GoldAnswer,
    GoldItem,
    Item,
    Label,
    LabelRevision,
    LabelSource,
    Model,
    Project,
    ResolvedLabel,
    Split,
    SuspectedLabel,
)
from app.domain.states import BatchItemState


def n_labels(session: Session, project_id: int, class_index: int) -> int:
    """Return how many standing labels of annotators name the class."""
    statement = select(func.count()).where(
        Label.project_id == project_id,
        Label.class_index == class_index,
        Label.withdrawn_at.is_(None),
    )
    return session.scalar(statement) or 0


def n_resolved(session: Session, project_id: int, class_index: int) -> tuple[int, int]:
    """Return how many pool items are of the class by their annotators, and by their import."""
    is_imported = ResolvedLabel.source == LabelSource.IMPORT
    n, n_imported = session.execute(
        select(func.count(), func.count().filter(is_imported)).where(
            ResolvedLabel.project_id == project_id, ResolvedLabel.class_index == class_index
        )
    ).one()
    return n - n_imported, n_imported


def n_evaluation(session: Session, project_id: int, class_index: int) -> int:
    """Return how many evaluation items are of the class."""
    statement = select(func.count()).where(
        Item.project_id == project_id,
        Item.split == Split.EVALUATION,
        Item.class_index == class_index,
    )
    return session.scalar(statement) or 0


def n_gold(session: Session, project_id: int, class_index: int) -> int:
    """Return how many gold items are of the class."""
    statement = select(func.count()).where(
        GoldItem.project_id == project_id, GoldItem.class_index == class_index
    )
    return session.scalar(statement) or 0


def n_models(session: Session, project_id: int, class_index: int | None = None) -> int:
    """Return how many models are not stale yet; with a class, of those that learned it."""
    statement = select(func.count()).where(Model.project_id == project_id, ~Model.stale)
    if class_index is not None:
        first = select(func.min(ResolvedLabel.label_version)).where(
            ResolvedLabel.project_id == project_id, ResolvedLabel.class_index == class_index
        )
        statement = statement.where(Model.label_version >= first.scalar_subquery())
    return session.scalar(statement) or 0


def rename_index(session: Session, project: Project, old: int, new: int) -> None:
    """Let everything that names the class `old` of a locked project name `new` instead.

    Models that learned the old one become stale.
    """
    first = session.scalar(
        select(func.min(ResolvedLabel.label_version)).where(
            ResolvedLabel.project_id == project.id, ResolvedLabel.class_index == old
        )
    )
    if first is not None:
        models.mark_stale(session, project.id, first)
        project.label_version += 1
        session.execute(
            update(ResolvedLabel)
            .where(ResolvedLabel.project_id == project.id, ResolvedLabel.class_index == old)
            .values(class_index=new, label_version=project.label_version)
        )
    of_labels = select(Label.id).where(Label.project_id == project.id)
    session.execute(
        update(LabelRevision)
        .where(LabelRevision.label_id.in_(of_labels), LabelRevision.class_index == old)
        .values(class_index=new)
    )
    for table in (Label, Item, GoldItem, GoldAnswer):
        columns = table.__table__.c
        session.execute(
            update(table)
            .where(columns.project_id == project.id, columns.class_index == old)
            .values(class_index=new)
            .execution_options(synchronize_session=False)
        )
    session.execute(
        update(BatchItem)
        .where(BatchItem.project_id == project.id, BatchItem.suggestion_class == old)
        .values(suggestion_class=new)
        .execution_options(synchronize_session=False)
    )
    core_sets = select(CoreSet.id).where(CoreSet.project_id == project.id)
    session.execute(
        update(CoreSetItem)
        .where(CoreSetItem.core_set_id.in_(core_sets), CoreSetItem.class_index == old)
        .values(class_index=new)
        .execution_options(synchronize_session=False)
    )
    items = select(Item.id).where(Item.project_id == project.id)
    for column in (SuspectedLabel.class_index, SuspectedLabel.suggested_class):
        session.execute(
            update(SuspectedLabel)
            .where(SuspectedLabel.item_id.in_(items), column == old)
            .values({column: new})
            .execution_options(synchronize_session=False)
        )


def disagreeing_items(session: Session, project_id: int, class_index: int) -> list[int]:
    """Return the labeled items of the class on which annotators did not agree."""
    return list(
        session.scalars(
            select(ResolvedLabel.item_id)
            .join(BatchItem, BatchItem.item_id == ResolvedLabel.item_id)
            .where(
                ResolvedLabel.project_id == project_id,
                ResolvedLabel.class_index == class_index,
                ResolvedLabel.agreement < 1,
                BatchItem.state == BatchItemState.LABELED,
            )
            .order_by(ResolvedLabel.item_id)
        )
    )
