"""Statements on imports and the lines that they refused."""

from collections.abc import Iterable

from sqlalchemy import Select, func, insert, select
from sqlalchemy.orm import Session

from app.db.tables import Import, Job, RefusedImportLine


def get(session: Session, project_id: int, import_id: int) -> tuple[Import, Job] | None:
    """Return one import of the project and its newest job."""
    row = session.execute(_with_newest_job(project_id).where(Import.id == import_id)).first()
    return None if row is None else (row[0], row[1])


def list_all(session: Session, project_id: int) -> list[tuple[Import, Job]]:
    """Return every import with its newest job, oldest first."""
    rows = session.execute(_with_newest_job(project_id).order_by(Import.id))
    return [(found, job) for found, job in rows]


def refuse(session: Session, import_id: int, lines: Iterable[dict[str, object]]) -> None:
    """Keep refused lines: dictionaries of line, external_id, code and detail."""
    rows = [{"import_id": import_id, **line} for line in lines]
    if rows:
        session.execute(insert(RefusedImportLine), rows)


def refused_page(
    session: Session, import_id: int, after_id: int, limit: int
) -> list[RefusedImportLine]:
    """Return up to `limit` refused lines after an id, ascending."""
    return list(
        session.scalars(
            select(RefusedImportLine)
            .where(RefusedImportLine.import_id == import_id, RefusedImportLine.id > after_id)
            .order_by(RefusedImportLine.id)
            .limit(limit)
        )
    )


def _with_newest_job(project_id: int) -> Select[Import, Job]:
    newest = (
        select(func.max(Job.id)).where(Job.import_id == Import.id).correlate(Import)
    ).scalar_subquery()
    return (
        select(Import, Job)
        .join(Job, Job.import_id == Import.id)
        .where(Import.project_id == project_id, Job.id == newest)
        .execution_options(populate_existing=True)
    )
