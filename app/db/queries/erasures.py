"""Statements that erase an item's content and labels, and leave its place in the index."""

from collections.abc import Sequence

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.db.queries import deletions
from app.db.tables import (
    BatchItem,
    BatchItemSlot,
    GoldItem,
    Item,
    ItemFlag,
    Label,
    LabelSource,
    Project,
    ResolvedLabel,
    Split,
    SuspectedLabel,
)


def of_project(session: Session, project_id: int, item_ids: Sequence[int]) -> list[Item]:
    """Return these items of the project, of either split, by id; erased ones are left out."""
    return list(
        session.scalars(
            select(Item)
            .where(Item.project_id == project_id, Item.id.in_(item_ids), Item.erased_at.is_(None))
            .order_by(Item.id)
        )
    )


def discard_content(session: Session, item_ids: Sequence[int]) -> None:
    """Note that these items' stored images may not be needed any more."""
    named = select(Item.content_hash.label("hash")).where(
        Item.id.in_(item_ids), Item.content_hash.is_not(None), deletions.IN_STORE
    )
    deletions.discard(session, named, None)


def forget_resolved(session: Session, project: Project, item_ids: Sequence[int]) -> int | None:
    """Remove the resolved labels of items of a locked project, and count them out.

    Returns:
        The lowest label version among them: models of it or later have learned one; None: none.
    """
    rows = session.execute(
        delete(ResolvedLabel)
        .where(ResolvedLabel.item_id.in_(item_ids))
        .returning(ResolvedLabel.source, ResolvedLabel.label_version)
    ).all()
    if not rows:
        return None
    n_imported = sum(source == LabelSource.IMPORT for source, _ in rows)
    project.n_imported -= n_imported
    project.n_labeled -= len(rows) - n_imported
    project.label_version += 1
    return min(version for _, version in rows)


def forget_answers(session: Session, item_ids: Sequence[int]) -> None:
    """Remove what people said about these items: labels with their history, flags, gold.

    Places in batches are empty then, those that a cancelled project had withdrawn with labels too.
    """
    places = select(BatchItem.id).where(BatchItem.item_id.in_(item_ids))
    session.execute(
        update(BatchItemSlot)
        .where(BatchItemSlot.batch_item_id.in_(places))
        .values(filled=False, leased_by=None, leased_until=None, reserved_for=None)
        .execution_options(synchronize_session=False)
    )
    for table in (Label, ItemFlag, GoldItem, SuspectedLabel):
        item_id = table.__table__.c.item_id
        session.execute(delete(table).where(item_id.in_(item_ids)))


def blank(session: Session, item_ids: Sequence[int]) -> None:
    """Erase what these items hold; an evaluation item keeps its class, which nobody measures on."""
    session.execute(
        update(Item)
        .where(Item.id.in_(item_ids))
        .values(
            external_id=func.concat("erased-", Item.id),
            text="",
            content_hash=None,
            image_uri=None,
            width=None,
            height=None,
            channels=None,
            metadata_=None,
            erased_at=func.now(),
        )
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(Item)
        .where(Item.id.in_(item_ids), Item.split == Split.POOL)
        .values(class_index=None)
        .execution_options(synchronize_session=False)
    )
