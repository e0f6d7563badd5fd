"""Statements on exports of labels that a worker writes."""

from collections.abc import Sequence

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from app.db.queries import deletions
from app.db.tables import Job, LabelExport


def get(session: Session, project_id: int, export_id: int) -> tuple[LabelExport, Job] | None:
    """Return one export of the project and its newest job."""
    row = session.execute(_with_newest_job(project_id).where(LabelExport.id == export_id)).first()
    return None if row is None else (row[0], row[1])


def list_all(session: Session, project_id: int) -> list[tuple[LabelExport, Job]]:
    """Return every export with its newest job, oldest first."""
    rows = session.execute(_with_newest_job(project_id).order_by(LabelExport.id))
    return [(found, job) for found, job in rows]


def expire_due(session: Session, limit: int) -> int:
    """Let the files of up to `limit` expired exports go; return how many exports."""
    due = session.scalars(
        select(LabelExport.id)
        .where(LabelExport.expires_at <= func.now(), LabelExport.file_hash != "")
        .order_by(LabelExport.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    _expire(session, due)
    return len(due)


def expire_project(session: Session, project_id: int) -> None:
    """Let the files of all exports of the project go."""
    _expire(
        session,
        session.scalars(
            select(LabelExport.id).where(
                LabelExport.project_id == project_id, LabelExport.file_hash != ""
            )
        ).all(),
    )


def _expire(session: Session, export_ids: Sequence[int]) -> None:
    if not export_ids:
        return
    is_one = LabelExport.id.in_(export_ids)
    deletions.discard(session, select(LabelExport.file_hash.label("hash")).where(is_one), None)
    session.execute(update(LabelExport).where(is_one).values(file_hash="", expires_at=func.now()))


def _with_newest_job(project_id: int) -> Select[LabelExport, Job]:
    newest = (
        select(func.max(Job.id)).where(Job.label_export_id == LabelExport.id).correlate(LabelExport)
    ).scalar_subquery()
    return (
        select(LabelExport, Job)
        .join(Job, Job.label_export_id == LabelExport.id)
        .where(LabelExport.project_id == project_id, Job.id == newest)
        .execution_options(populate_existing=True)
    )
