"""Pages of jobs: the list with progress and what was logged, retry, cancel."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session

from app.api.deps import ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.db.queries import analyses, events, jobs
from app.db.tables import Job
from app.domain.errors import NotFound
from app.pages.page import LeadPage, PageRoute, ReadPage
from app.schemas.events import EventOut
from app.schemas.jobs import JobOut
from app.services.cancelled_jobs import cancel_job
from app.services.jobs import retry

router = APIRouter(prefix="/projects/{project}", include_in_schema=False, route_class=PageRoute)
SHOWN = 50


@router.get("/jobs")
def list_jobs(
    page: ReadPage,
    session: SessionDep,
    project: ProjectDep,
    before: Annotated[int | None, Query(ge=0, le=2**53)] = None,
) -> Response:
    """Show the jobs, newest first."""
    rows = jobs.list_page(session, project.id, before, SHOWN)
    found = [JobOut.model_validate(job) for job in rows]
    template = "jobs_list.html" if page.is_fragment else "jobs.html"
    return page.render(
        template,
        project=project,
        jobs=found,
        kinds=_kinds(session, rows),
        more=found[-1].id if len(found) == SHOWN else None,
    )


@router.get("/jobs/{job}")
def read_job(page: ReadPage, session: SessionDep, project: ProjectDep, job: int) -> Response:
    """Show one job with what happened to it."""
    found = jobs.get(session, job)
    if found is None or found.project_id != project.id:
        raise NotFound("job", job)
    happened = [EventOut.model_validate(e) for e in events.of_job(session, project.id, job)]
    return page.render(
        "job.html",
        project=project,
        job=JobOut.model_validate(found),
        kind=_kinds(session, [found])[found.id],
        happened=happened,
        log=jobs.log_of(session, job),
    )


def _kinds(session: Session, rows: Sequence[Job]) -> dict[int, str]:
    """Return job id -> what it does: of an analysis, which one."""
    asked = analyses.kinds(session, [row.analysis_id for row in rows if row.analysis_id])
    return {row.id: asked.get(row.analysis_id or 0, row.kind) for row in rows}


@router.post("/jobs/{job}/retry")
def retry_job(
    page: LeadPage, session: SessionDep, project: ProjectIdDep, settings: SettingsDep, job: int
) -> Response:
    """Replace a failed job by a new one."""
    new = retry(session, project, job, settings)
    return page.redirect(f"/projects/{project}/jobs", flash=f"Job {new.id} tries again.")


@router.post("/jobs/{job}/cancel")
def cancel(page: LeadPage, session: SessionDep, project: ProjectIdDep, job: int) -> Response:
    """Stop a job that somebody asked for."""
    cancel_job(session, project, job)
    return page.redirect(f"/projects/{project}/jobs", flash=f"Job {job} is cancelled.")
