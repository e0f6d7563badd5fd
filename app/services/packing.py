"""Packing jobs: they turn contents into arrays after the import, so that no round waits.

Every function expects that the project's row is locked.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.db.queries import jobs as queries
from app.db.queries import projects
from app.db.tables import JobKind, Project
from app.domain.errors import JobFenced
from app.domain.states import JobState
from app.services.jobs import ClaimedJob
from app.services.rounds import create_job
from app.services.transitions import set_job_state
from models.catalog import Encoding, find_model


def request_packing(session: Session, project: Project, max_attempts: int) -> None:
    """Queue a packing job, unless one is live, which sees what is new, or the proxy reads none."""
    if find_model(project.proxy["model"]).encoding is Encoding.VECTORS:
        return
    if not queries.has_live(session, project.id, JobKind.PACK):
        create_job(session, project, JobKind.PACK, None, max_attempts)


def publish_packing(session: Session, claimed: ClaimedJob, packed: Mapping[str, Any]) -> bool:
    """End a packing job if there is nothing new to pack; return whether it has ended.

    Args:
        session: in a transaction of its own.
        claimed: the job.
        packed: what it packed: n_pool, n_evaluation and proxy of the project.

    Raises:
        JobFenced: the job belongs to another or has ended.
    """
    project = projects.lock(session, claimed.project_id, even_archived=True)
    job = queries.owned(session, claimed.id, claimed.token)
    if job is None:
        raise JobFenced(claimed.id)
    if any(getattr(project, name) != value for name, value in packed.items()):
        return False
    set_job_state(session, job, JobState.SUCCEEDED)
    return True
