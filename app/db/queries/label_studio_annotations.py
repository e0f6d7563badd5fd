"""Statements on annotations of Label Studio as they were last seen, and on those to apply."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, bindparam, or_, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from app.db.tables import LabelStudioAnnotation, LabelStudioTask

IDS = bindparam("ids", type_=ARRAY(BigInteger))


@dataclass(frozen=True)
class Seen:
    """An annotation as it was last seen.

    Attributes:
        id: its id here.
        is_gold_task: its task shows gold.
        code: what became of it before, or why it waits.
    """

    id: int
    item_id: int
    annotator_id: int
    updated_at: datetime
    answer: str | None
    seconds: float | None
    is_skip: bool
    is_deleted: bool
    is_gold_task: bool
    is_pending: bool
    code: str | None


def known(
    session: Session, connection_id: int, rows: Sequence[int], annotation_ids: Sequence[int]
) -> list[LabelStudioAnnotation]:
    """Return what was seen and not deleted since, of these tasks or with these ids."""
    return list(
        session.scalars(
            select(LabelStudioAnnotation).where(
                LabelStudioAnnotation.connection_id == connection_id,
                ~LabelStudioAnnotation.is_deleted,
                or_(
                    LabelStudioAnnotation.task_row.in_(rows),
                    LabelStudioAnnotation.annotation_id.in_(annotation_ids),
                ),
            )
        )
    )


def see(session: Session, connection_id: int, seen: Sequence[dict[str, Any]]) -> None:
    """Insert annotations, or what changed of them; they wait to be applied."""
    if not seen:
        return
    rows = [{"connection_id": connection_id, "is_pending": True, "code": None, **s} for s in seen]
    statement = insert(LabelStudioAnnotation).values(rows)
    changed = {
        name: statement.excluded[name]
        for name in rows[0]
        if name not in ("connection_id", "annotation_id")
    }
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["connection_id", "annotation_id"],
            index_where=~LabelStudioAnnotation.is_deleted,
            set_=changed,
        )
    )


def note_deleted(session: Session, ids: Sequence[int]) -> None:
    """Note that these were deleted there, by their ids here; that waits to be applied."""
    if ids:
        session.execute(
            update(LabelStudioAnnotation)
            .where(LabelStudioAnnotation.id.in_(ids))
            .values(is_deleted=True, is_pending=True, code=None)
            .execution_options(synchronize_session=False)
        )


def let_be(session: Session, ids: Sequence[int]) -> None:
    """Note that these went with their task, by their ids here: their labels stay."""
    if ids:
        session.execute(
            update(LabelStudioAnnotation)
            .where(LabelStudioAnnotation.id.in_(ids))
            .values(is_deleted=True)
            .execution_options(synchronize_session=False)
        )


def note_annotated(session: Session, rows: Sequence[int]) -> None:
    """Note that somebody has annotated these tasks: we do not delete them there any more."""
    if rows:
        session.execute(
            update(LabelStudioTask)
            .where(LabelStudioTask.id.in_(rows), ~LabelStudioTask.was_annotated)
            .values(was_annotated=True)
            .execution_options(synchronize_session=False)
        )


def pending_items(session: Session, connection_id: int) -> list[int]:
    """Return the items that have annotations to apply, those that changed first at the front."""
    return list(session.scalars(_PENDING, {"connection": connection_id}))


_PENDING = text(
    """
    SELECT task.item_id FROM label_studio_annotations AS seen
    JOIN label_studio_tasks AS task ON task.id = seen.task_row
    WHERE seen.connection_id = :connection AND seen.is_pending
    GROUP BY task.item_id ORDER BY min(seen.updated_at), task.item_id
    """
)


def of_items(session: Session, connection_id: int, item_ids: Sequence[int]) -> list[Seen]:
    """Return everything seen of these items, oldest change first."""
    rows = session.execute(_OF_ITEMS, {"connection": connection_id, "ids": list(item_ids)})
    return [Seen(*row) for row in rows]


_OF_ITEMS = text(
    """
    SELECT seen.id, task.item_id, seen.annotator_id, seen.updated_at, seen.answer,
        seen.seconds, seen.is_skip, seen.is_deleted, task.batch_item_id IS NULL, seen.is_pending,
        seen.code
    FROM label_studio_tasks AS task
    JOIN label_studio_annotations AS seen ON seen.task_row = task.id
    WHERE task.connection_id = :connection AND task.item_id = ANY (:ids)
    ORDER BY seen.updated_at, seen.id
    """
).bindparams(IDS)


def settle(session: Session, ids: Sequence[int], code: str, *, is_pending: bool) -> None:
    """Note what became of these annotations, by their ids here, or why they wait."""
    session.execute(
        update(LabelStudioAnnotation)
        .where(LabelStudioAnnotation.id.in_(ids))
        .values(code=code, is_pending=is_pending)
        .execution_options(synchronize_session=False)
    )


def states_of(session: Session, item_ids: Sequence[int]) -> dict[int, str]:
    """Return item -> state of its batch item, of those that have one."""
    rows = session.execute(_STATES, {"ids": list(item_ids)})
    return {item: state for item, state in rows}  # noqa: C416 - types


_STATES = text(
    "SELECT item_id, state FROM batch_items WHERE item_id = ANY (:ids) AND state <> 'withdrawn'"
).bindparams(IDS)


def gold_to_hand(session: Session, annotator_id: int, item_ids: Sequence[int]) -> list[int]:
    """Return those of these items that are gold, and that the annotator neither had nor labeled."""
    return list(session.scalars(_GOLD, {"annotator": annotator_id, "ids": list(item_ids)}))


_GOLD = text(
    """
    SELECT gold.item_id FROM gold_items AS gold
    WHERE gold.item_id = ANY (:ids)
        AND NOT EXISTS (
            SELECT FROM gold_answers AS had
            WHERE had.item_id = gold.item_id AND had.annotator_id = :annotator)
        AND NOT EXISTS (
            SELECT FROM labels AS own WHERE own.item_id = gold.item_id
                AND own.annotator_id = :annotator AND own.withdrawn_at IS NULL)
    """
).bindparams(IDS, bindparam("annotator", type_=BigInteger))
