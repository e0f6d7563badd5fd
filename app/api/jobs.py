"""Routes of jobs."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.db.queries import jobs as queries
from app.domain.errors import NotFound
from app.presenters.jobs import present_job
from app.schemas.bodies import problems
from app.schemas.jobs import JobLogOut, JobOut, JobPage
from app.services.cancelled_jobs import cancel_job
from app.services.jobs import retry

router = APIRouter(prefix="/projects/{project}/jobs", tags=["progress"], route_class=Route)


@router.get("", summary="List jobs", responses=problems(403, 404))
def list_jobs(
    session: SessionDep,
    project: ProjectDep,
    _admin: AdminDep,
    settings: SettingsDep,
    cursor: int | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> JobPage:
    """Return the jobs, newest first, with their progress."""
    page = queries.list_page(session, project.id, cursor, limit)
    return JobPage(
        jobs=[present_job(session, job, settings) for job in page],
        next_cursor=page[-1].id if len(page) == limit else None,
    )


@router.get("/{job}", summary="Read a job", responses=problems(403, 404))
def read_job(
    session: SessionDep, project: ProjectDep, _admin: AdminDep, settings: SettingsDep, job: int
) -> JobOut:
    """Return one job."""
    found = queries.get(session, job)
    if found is None or found.project_id != project.id:
        raise NotFound("job", job)
    return present_job(session, found, settings)


@router.get("/{job}/log", summary="Read a job's log", responses=problems(403, 404))
def read_log(session: SessionDep, project: ProjectDep, _admin: AdminDep, job: int) -> JobLogOut:
    """Return what the job's process logged: its last 300 lines, some seconds old while it runs."""
    found = queries.get(session, job)
    if found is None or found.project_id != project.id:
        raise NotFound("job", job)
    return JobLogOut(lines=queries.log_of(session, job).splitlines())


@router.post("/{job}/retry", status_code=201, summary="Retry", responses=problems(403, 404, 409))
def retry_job(
    session: SessionDep, project: ProjectIdDep, _admin: AdminDep, settings: SettingsDep, job: int
) -> JobOut:
    """Replace a failed job by a new one; its round goes back to where it failed."""
    new = retry(session, project, job, settings)
    session.refresh(new)
    return present_job(session, new, settings)


@router.post("/{job}/cancel", summary="Cancel a job", responses=problems(403, 404, 409))
def cancel(
    session: SessionDep, project: ProjectIdDep, _admin: AdminDep, settings: SettingsDep, job: int
) -> JobOut:
    """Stop an analysis, a core-set or an import; those of rounds follow their project."""
    return present_job(session, cancel_job(session, project, job), settings)
