"""Cancels jobs that somebody asked for apart from the project's rounds."""

from sqlalchemy.orm import Session

from app.db.queries import jobs, projects
from app.db.tables import Job
from app.domain.errors import NotFound, TransitionNotAllowed
from app.domain.states import LIVE_JOB_STATES, JobState
from app.services.file_imports import cancel_import
from app.services.transitions import set_job_state


def cancel_job(session: Session, project_id: int, job_id: int) -> Job:
    """Cancel an analysis, core-set, import or export; return its job, whose worker stops soon.

    Raises:
        NotFound: the project has no such job.
        TransitionNotAllowed: it has ended, or the project's rounds need it.
    """
    projects.lock(session, project_id, even_archived=True)
    job = jobs.get(session, job_id)
    if job is None or job.project_id != project_id:
        raise NotFound("job", job_id)
    if not job.is_aside:
        instead = ["what it leads to by itself; pause, finish or cancel the project instead"]
        raise TransitionNotAllowed(f"Job {job_id} of a round", job.state, "cancelled", instead)
    if job.state not in LIVE_JOB_STATES:
        raise TransitionNotAllowed(f"Job {job_id}", job.state, "cancelled", [])
    if job.import_id is not None:
        return cancel_import(session, project_id, job.import_id)[1]
    set_job_state(session, job, JobState.CANCELLED)
    session.flush()
    session.refresh(job)
    return job
