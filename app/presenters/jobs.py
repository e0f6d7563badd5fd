"""Products of jobs as the API and pages show them, with the job's state and progress."""

from typing import Any, TypeVar

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.tables import Analysis, CoreSet, Import, Job, LabelExport
from app.domain.states import JobState
from app.schemas.bodies import Response
from app.schemas.jobs import JobOut
from app.services.queue_places import queue_place


def present_job(session: Session, job: Job, settings: Settings) -> JobOut:
    """Return the job; of a queued one its place, and what it waits for."""
    out = JobOut.model_validate(job)
    if job.state == JobState.QUEUED:
        out.place, out.waits_for = queue_place(session, job, settings)
    return out


R = TypeVar("R", bound=Response)


def present_with_job(
    kind: type[R], made: CoreSet | Analysis | Import | LabelExport, job: Job, **more: Any
) -> R:
    """Return a response of what a job makes; `more` are fields that its row does not have."""
    own = {name: getattr(made, name) for name in kind.model_fields if hasattr(made, name)}
    of_job = {
        "job_id": job.id,
        "state": JobState(job.state),
        "progress": job.progress,
        "error": job.error,
    }
    return kind.model_validate({**own, **of_job, **more})
