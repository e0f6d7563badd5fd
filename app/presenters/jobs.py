"""Products of jobs as the API and pages show them, with the job's state and progress."""

from typing import Any, TypeVar

from app.db.tables import Analysis, CoreSet, Import, Job
from app.domain.states import JobState
from app.schemas.bodies import Response

R = TypeVar("R", bound=Response)


def present_with_job(kind: type[R], made: CoreSet | Analysis | Import, job: Job, **more: Any) -> R:
    """Return a response of what a job makes; `more` are fields that its row does not have."""
    own = {name: getattr(made, name) for name in kind.model_fields if hasattr(made, name)}
    of_job = {
        "job_id": job.id,
        "state": JobState(job.state),
        "progress": job.progress,
        "error": job.error,
    }
    return kind.model_validate({**own, **of_job, **more})
