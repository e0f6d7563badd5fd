"""Statements on analyses."""

from collections.abc import Collection

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.db.tables import Analysis, AnalysisKind, Job
from app.domain.states import JobState


def get(
    session: Session, project_id: int, analysis_id: int, kind: AnalysisKind | None = None
) -> tuple[Analysis, Job] | None:
    """Return one analysis of the project, of this kind if one is named, and its newest job."""
    statement = _with_newest_job(project_id).where(Analysis.id == analysis_id)
    if kind is not None:
        statement = statement.where(Analysis.kind == kind)
    row = session.execute(statement).first()
    return None if row is None else (row[0], row[1])


def list_all(session: Session, project_id: int, kind: AnalysisKind) -> list[tuple[Analysis, Job]]:
    """Return every analysis of this kind with its newest job, oldest first."""
    statement = _with_newest_job(project_id).where(Analysis.kind == kind).order_by(Analysis.id)
    return [(analysis, job) for analysis, job in session.execute(statement)]


def kinds(session: Session, analysis_ids: Collection[int]) -> dict[int, str]:
    """Return analysis id -> its kind."""
    rows = session.execute(select(Analysis.id, Analysis.kind).where(Analysis.id.in_(analysis_ids)))
    return {analysis_id: kind for analysis_id, kind in rows}  # noqa: C416 - types


def newest_answered(session: Session, project_id: int, kind: AnalysisKind) -> Analysis | None:
    """Return the newest analysis of this kind that has its answer."""
    return session.scalar(
        select(Analysis)
        .join(Job, Job.analysis_id == Analysis.id)
        .where(
            Analysis.project_id == project_id,
            Analysis.kind == kind,
            Job.state == JobState.SUCCEEDED,
        )
        .order_by(Analysis.id.desc())
        .limit(1)
    )


def _with_newest_job(project_id: int) -> Select[Analysis, Job]:
    newest = (
        select(func.max(Job.id)).where(Job.analysis_id == Analysis.id).correlate(Analysis)
    ).scalar_subquery()
    return (
        select(Analysis, Job)
        .join(Job, Job.analysis_id == Analysis.id)
        .where(Analysis.project_id == project_id, Job.id == newest)
        .execution_options(populate_existing=True)
    )
