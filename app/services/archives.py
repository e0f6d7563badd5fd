"""Archives projects and restores them.

An archived project can be read. Whatever would change it is refused where it locks the project
(app.db.queries.projects), so that nothing is forgotten.
"""

from sqlalchemy import func
from sqlalchemy.orm import Session

from app.db.queries import events, jobs, projects
from app.db.tables import Project
from app.domain.errors import ProjectNotAccepting
from app.domain.states import JobState, ProjectState
from app.services.jobs import PACKING
from app.services.packing import request_packing
from app.services.transitions import set_job_state

RESTING_STATES = frozenset(
    {ProjectState.DRAFT, ProjectState.PAUSED, ProjectState.FINISHED, ProjectState.CANCELLED}
)


def archive_project(session: Session, project_id: int) -> Project:
    """Archive a project that nobody works on; return it. Its packing ends until it is restored.

    Raises:
        ProjectNotAccepting: it runs, or a job of it does.
        ProjectArchived: it is archived already.
    """
    project = projects.lock(session, project_id)
    if project.state not in RESTING_STATES:
        raise ProjectNotAccepting(
            f"Project {project_id} is {project.state}. Pause it, or let it finish; then archive it."
        )
    for job in jobs.live_of_project(session, project_id):
        if job.kind not in PACKING:
            raise ProjectNotAccepting(
                f"Job {job.id} ({job.kind}) of project {project_id} is {job.state}. Wait until it "
                "has ended; then archive the project."
            )
        set_job_state(session, job, JobState.CANCELLED)
    project.archived_at = func.now()
    events.append(session, project_id, "project.archived", {})
    return project


def restore_project(session: Session, project_id: int, max_attempts: int = 3) -> Project:
    """Restore an archived project as it was; return it. Any other stays as it is."""
    project = projects.lock(session, project_id, even_archived=True)
    if project.archived_at is not None:
        project.archived_at = None
        events.append(session, project_id, "project.restored", {})
        request_packing(session, project, max_attempts)
    return project
