"""Statements on annotators of a project: who is paused, and what happens to their work."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from app.db.tables import Annotator, BatchItemSlot, GoldItem, Label, PausedAnnotator

_PAUSED = select(PausedAnnotator.annotator_id, PausedAnnotator.reason).where(
    PausedAnnotator.project_id == bindparam("project_id"), PausedAnnotator.resumed_at.is_(None)
)


def by_name(session: Session, name: str) -> Annotator | None:
    """Return the annotator of this name."""
    return session.scalar(select(Annotator).where(Annotator.name == name))


def paused(session: Session, project_id: int) -> dict[int, str]:
    """Return annotator id -> reason, of those paused now."""
    rows = session.execute(_PAUSED, {"project_id": project_id})
    return {annotator_id: reason for annotator_id, reason in rows}  # noqa: C416 - types


def pause(session: Session, project_id: int, annotator_id: int, reason: str) -> None:
    """Pause the annotator; a paused one gets the new reason."""
    session.execute(
        insert(PausedAnnotator)
        .values(project_id=project_id, annotator_id=annotator_id, reason=reason)
        .on_conflict_do_update(
            index_elements=[PausedAnnotator.project_id, PausedAnnotator.annotator_id],
            set_={"reason": reason, "paused_at": func.now(), "resumed_at": None},
        )
    )


def resume(session: Session, project_id: int, annotator_id: int) -> bool:
    """End the annotator's pause; False if there was none."""
    row = session.execute(
        update(PausedAnnotator)
        .where(
            PausedAnnotator.project_id == project_id,
            PausedAnnotator.annotator_id == annotator_id,
            PausedAnnotator.resumed_at.is_(None),
        )
        .values(resumed_at=func.clock_timestamp())
        .returning(PausedAnnotator.annotator_id)
    ).one_or_none()
    return row is not None


def flag_labels(session: Session, project_id: int, annotator_id: int, *, flagged: bool) -> int:
    """Flag the annotator's standing labels, or take their flags away; return how many changed."""
    rows = session.execute(
        update(Label)
        .where(
            Label.project_id == project_id,
            Label.annotator_id == annotator_id,
            Label.withdrawn_at.is_(None),
            Label.is_flagged != flagged,
        )
        .values(is_flagged=flagged)
        .returning(Label.id)
    )
    return len(rows.all())


def forget_reservations(session: Session, project_id: int, annotator_id: int) -> None:
    """Open to everybody the slots that were kept for this annotator."""
    session.execute(
        update(BatchItemSlot)
        .where(
            BatchItemSlot.project_id == project_id,
            BatchItemSlot.reserved_for == annotator_id,
            ~BatchItemSlot.filled,
        )
        .values(reserved_for=None)
    )


def labeled_alone(session: Session, project_id: int, annotator_id: int) -> Sequence[int]:
    """Return the items that have standing labels of this annotator and of nobody else."""
    other = aliased(Label)
    return session.scalars(
        select(Label.item_id).where(
            Label.project_id == project_id,
            Label.annotator_id == annotator_id,
            Label.withdrawn_at.is_(None),
            ~exists().where(
                other.item_id == Label.item_id,
                other.annotator_id != annotator_id,
                other.withdrawn_at.is_(None),
            ),
        )
    ).all()


def trusted_items(session: Session, project_id: int, annotator_id: int) -> Sequence[int]:
    """Return the items whose label of this annotator is trusted, ascending; gold left out."""
    return session.scalars(
        select(Label.item_id)
        .where(
            Label.project_id == project_id,
            Label.annotator_id == annotator_id,
            Label.withdrawn_at.is_(None),
            ~Label.is_distrusted,
            ~exists().where(GoldItem.item_id == Label.item_id),
        )
        .order_by(Label.item_id)
    ).all()


def distrusted_items(
    session: Session, project_id: int, annotator_id: int | None = None
) -> Sequence[int]:
    """Return the items with a distrusted label, of this annotator or of anybody, ascending."""
    of_annotator = [] if annotator_id is None else [Label.annotator_id == annotator_id]
    return session.scalars(
        select(Label.item_id)
        .distinct()
        .where(
            Label.project_id == project_id,
            Label.withdrawn_at.is_(None),
            Label.is_distrusted,
            *of_annotator,
        )
        .order_by(Label.item_id)
    ).all()


@dataclass(frozen=True)
class DistrustedLabels:
    """Counts of standing labels that are distrusted, and of those that are excluded for it."""

    n_labels: int
    n_excluded: int


def distrusted_labels(session: Session, project_id: int) -> DistrustedLabels:
    """Count the project's distrusted labels."""
    row = session.execute(
        select(func.count(), func.count().filter(Label.is_excluded)).where(
            Label.project_id == project_id, Label.withdrawn_at.is_(None), Label.is_distrusted
        )
    ).one()
    return DistrustedLabels(*row)
