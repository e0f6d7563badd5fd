"""Where a queued job stands, and what it waits for."""

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import jobs as queries
from app.db.queries import workers
from app.db.tables import Job, JobKind
from app.services.jobs import COMPUTING, PACKING
from app.services.workers import SEEN_WITHIN_SECONDS


def queue_place(session: Session, job: Job, settings: Settings) -> tuple[int | None, str]:
    """Return (place of a queued job in its queue, 1 = next; a sentence of what it waits for).

    None where no claim would take it.
    """
    kinds = PACKING if JobKind(job.kind) in PACKING else COMPUTING
    waiting = queries.claimable_ids(session, [job.queue], settings.job_max_lost_workers, kinds)
    place = waiting.index(job.id) + 1 if job.id in waiting else None
    n_workers = workers.n_serving(session, job.queue, SEEN_WITHIN_SECONDS)
    if not n_workers:
        return place, (
            f"No worker serves the queue {job.queue}: start one with `svp up` or `svp worker`."
        )
    n_running = queries.n_running(session, job.queue, kinds)
    n_before = 0 if place is None else place - 1
    if n_before or n_running >= n_workers:
        return place, (
            f"{n_running} running and {n_before} waiting jobs are before it, with {n_workers} "
            "workers; short ones go first."
        )
    return place, "A worker takes it within a second, unless its disk lacks room."
