"""Jobs: the work of the workers."""

from svp_client import paths
from svp_client.calls import Call, Pages, as_json, get, send, under
from svp_client.methods import entries, result
from svp_client.types import Job


class Jobs:
    """Methods of jobs."""

    @result
    def jobs(self, project: int, limit: int = 100) -> Call[list[Job]]:
        """Return the newest jobs, newest first; `job_history` yields all."""
        return get(paths.jobs(project), under("jobs"), limit=limit)

    @entries
    def job_history(self, project: int) -> Pages[Job]:
        """Yield every job, newest first."""
        return Pages(get(paths.jobs(project), as_json), "jobs")

    @result
    def job(self, project: int, job: int) -> Call[Job]:
        """Return one job with its progress."""
        return get(paths.jobs(project, f"/{job}"), as_json)

    @result
    def job_log(self, project: int, job: int) -> Call[list[str]]:
        """Return the last lines that the job's process has logged."""
        return get(paths.jobs(project, f"/{job}/log"), under("lines"))

    @result
    def retry_job(self, project: int, job: int) -> Call[Job]:
        """Replace a failed job by a new one and return that."""
        return send("POST", paths.jobs(project, f"/{job}/retry"), as_json)

    @result
    def cancel_job(self, project: int, job: int) -> Call[Job]:
        """Stop an analysis, a core-set or an import; those of rounds follow their project."""
        return send("POST", paths.jobs(project, f"/{job}/cancel"), as_json)
