"""The life of a job: claim, heartbeat, failure, retry, sweeping (results: services.job_results).

The row is the job; whoever holds its token may write. Locks go project first, then job.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import analyses, core_sets, imports, label_exports, projects, rounds
from app.db.queries import jobs as queries
from app.db.session import transaction, wake_after_commit
from app.db.tables import Analysis, CoreSet, Import, Job, JobKind, LabelExport, Project, Round
from app.domain.errors import JobFenced, NotFound, TransitionNotAllowed
from app.domain.states import JobState, ProjectState, RoundState
from app.services.leases import release_expired
from app.services.lifecycle import advance
from app.services.rounds import create_job, create_job_again
from app.services.transitions import (
    record_job_state,
    set_job_state,
    set_round_state,
)

WAKE_AGAIN_SECONDS = 30.0
LOCK_SECONDS = 1.0  # that a claim waits for its project; jobs of other projects wait meanwhile
# Packing runs beside these, while none of them does: neither keeps the other waiting.
PACKING = frozenset({JobKind.PACK})
COMPUTING = frozenset(JobKind) - PACKING
# They stop where one of the others has waited for a worker, and resume after it.
GIVE_WAY = frozenset({JobKind.ANALYZE, JobKind.IMPORT, JobKind.EXPORT_LABELS})
LOST_WORKER = "its worker stopped answering"  # what happened to it is not the job's failure


class Heartbeat(StrEnum):
    """EXTENDED: the lease; LOCKED: somebody, mostly the child, locks the row; FENCED: stop now."""

    EXTENDED = "extended"
    LOCKED = "locked"
    FENCED = "fenced"


@dataclass(frozen=True)
class ClaimedJob:
    """A job that this worker owns until its lease ends; `token` is the fence."""

    id: int
    token: UUID
    kind: JobKind
    project_id: int
    round_id: int | None
    core_set_id: int | None
    analysis_id: int | None
    import_id: int | None
    label_export_id: int | None
    attempts: int
    request_id: str | None


@dataclass
class SweepResult:
    """The jobs and leases that one sweep repaired."""

    requeued: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    woken: list[int] = field(default_factory=list)
    freed_leases: int = 0


def claim(
    session: Session, job_id: int, settings: Settings, kinds: Collection[JobKind] = COMPUTING
) -> ClaimedJob | None:
    """Claim the job; None if it has ended, belongs to another or has used its attempts up.

    None as well if it is not of these kinds, or another transaction keeps its project's lock: the
    event of the claim is written under it, as all events are, and the worker looks again.
    """
    project_id = queries.project_of(session, job_id)
    if project_id is None or not projects.lock_soon(session, project_id, LOCK_SECONDS):
        return None
    token = uuid4()
    claimed = queries.claim(
        session, job_id, token, settings.job_lease_seconds, settings.job_max_lost_workers, kinds
    )
    if claimed is None:
        return None
    job, was = claimed
    if was is JobState.RUNNING:
        record_job_state(session, job, was, JobState.QUEUED, reason=LOST_WORKER)
    record_job_state(session, job, JobState.QUEUED, JobState.RUNNING, attempt=job.attempts)
    return ClaimedJob(
        id=job.id,
        token=token,
        kind=JobKind(job.kind),
        project_id=job.project_id,
        round_id=job.round_id,
        core_set_id=job.core_set_id,
        analysis_id=job.analysis_id,
        import_id=job.import_id,
        label_export_id=job.label_export_id,
        attempts=job.attempts,
        request_id=job.request_id,
    )


def claimable(
    session: Session,
    queues: Sequence[str],
    settings: Settings,
    kinds: Collection[JobKind] = COMPUTING,
) -> list[int]:
    """Return the ids of the jobs of these queues that a claim would win, oldest first."""
    return queries.claimable_ids(session, queues, settings.job_max_lost_workers, kinds)


def heartbeat(session: Session, job_id: int, token: UUID, lease_seconds: float) -> Heartbeat:
    """Extend the job's lease; never waits for whoever holds its row."""
    if queries.extend_lease(session, job_id, token, lease_seconds):
        return Heartbeat.EXTENDED
    return Heartbeat.LOCKED if queries.is_owned(session, job_id, token) else Heartbeat.FENCED


def keep_log(session: Session, job_id: int, log: str) -> None:
    """Store what the job's process has logged so far; the newest attempt's stands."""
    queries.keep_log(session, job_id, log)


def report_progress(session: Session, job_id: int, token: UUID, progress: dict[str, Any]) -> None:
    """Store the job's progress.

    Raises:
        JobFenced: the job belongs to another or has ended.
    """
    if not queries.set_progress(session, job_id, token, progress):
        raise JobFenced(job_id)


def give_back(session: Session, job_id: int, token: UUID) -> None:
    """Put a running job back to queued without using an attempt, and wake a worker.

    Does nothing if the job belongs to another or has ended.
    """
    job = _lock_owned(session, job_id, token)
    if job is not None:
        job.attempts -= 1
        _requeue(session, job, reason="given back")


def fail_attempt(
    session: Session, job_id: int, token: UUID, reason: str, *, for_good: bool = False
) -> None:
    """End an attempt: back to queued while attempts are left, else failed with the reason.

    A failure that would happen again fails the job for good.

    Does nothing if the job belongs to another or has ended.
    """
    job = _lock_owned(session, job_id, token)
    if job is not None:
        _end_attempt(session, job, reason, for_good=for_good)


def retry(session: Session, project_id: int, job_id: int, settings: Settings) -> Job:
    """Replace a failed job by a new one; its round goes back to where it failed.

    Raises:
        NotFound: the project has no such job.
        TransitionNotAllowed: the job has not failed, or its round or project has moved on.
    """
    project = projects.lock(session, project_id)
    job = queries.get(session, job_id)
    if job is None or job.project_id != project_id:
        raise NotFound("job", job_id)
    return _retry(session, project, job, settings)


def retry_round(session: Session, project_id: int, number: int, settings: Settings) -> Job:
    """Send a failed round back to where it failed, with a new job.

    Raises:
        NotFound: the project has no such round.
        TransitionNotAllowed: the round has not failed.
    """
    project = projects.lock(session, project_id)
    round_ = rounds.get(session, project_id, number)
    if round_ is None:
        raise NotFound("round", number)
    job = queries.newest_of_round(session, round_.id)
    if round_.state != RoundState.FAILED or job is None:
        raise TransitionNotAllowed(f"Round {number}", round_.state, "retried", ["failed: retry"])
    return _retry(session, project, job, settings)


def _retry(session: Session, project: Project, job: Job, settings: Settings) -> Job:
    if job.state != JobState.FAILED:
        raise TransitionNotAllowed(f"Job {job.id}", job.state, "retried", ["failed: retry"])
    if job.is_aside:
        return _retry_aside(session, project, job, settings)
    round_ = rounds.live(session, project.id) if job.round_id else None
    if round_ is not None and round_.id == job.round_id:
        if round_.state != RoundState.FAILED:
            instead = ["failed: retry"]
            raise TransitionNotAllowed(f"Round {round_.number}", round_.state, "retried", instead)
        did_train = job.kind == JobKind.TRAIN_AND_SELECT
        return create_job_again(
            session, project, round_, settings.job_max_attempts, did_train=did_train
        )
    if job.kind == JobKind.PACK and not queries.has_live(session, project.id, JobKind.PACK):
        return create_job(session, project, JobKind.PACK, None, settings.job_max_attempts)
    if job.round_id is not None or project.state != ProjectState.TRAINING_TARGET:
        raise TransitionNotAllowed(f"Project {project.id}", project.state, "retried", [])
    return create_job(session, project, JobKind(job.kind), None, settings.job_max_attempts)


def _retry_aside(session: Session, project: Project, job: Job, settings: Settings) -> Job:
    """Create a new job for what a failed one was for: core-set, analysis, import or export."""
    found: tuple[CoreSet | Analysis | Import | LabelExport, Job] | None
    if job.analysis_id is not None:
        found = analyses.get(session, project.id, job.analysis_id)
    elif job.import_id is not None:
        found = imports.get(session, project.id, job.import_id)
    elif job.label_export_id is not None:
        found = label_exports.get(session, project.id, job.label_export_id)
    else:
        found = core_sets.get(session, project.id, job.core_set_id or 0)
    if found is None:
        raise NotFound("job", job.id)
    cause, newest = found
    if newest.id != job.id:
        instead = [f"job {newest.id}, which took its place"]
        raise TransitionNotAllowed(f"Job {job.id}", job.state, "queued by a second retry", instead)
    return create_job(session, project, JobKind(job.kind), cause, settings.job_max_attempts)


def sweep(factory: sessionmaker[Session], settings: Settings) -> SweepResult:
    """Repair what crashes left: stale jobs, lost wake-ups, expired leases; end rounds by time.

    Idempotent: any number of sweepers may run at once. Each repair is its own transaction. A
    project that another transaction holds is left to the next sweep: the others need not wait.
    """
    result = SweepResult()
    with transaction(factory) as session:
        stale = queries.stale(session)
        expired = queries.projects_with_expired_leases(session)
        due = rounds.projects_due_by_time(session)
    for project_id, job_id in stale:
        with transaction(factory) as session:
            _sweep_job(session, project_id, job_id, settings, result)
    for project_id in expired:
        with transaction(factory) as session:
            project = projects.lock_if_free(session, project_id)
            if project is not None:
                result.freed_leases += release_expired(session, project, settings)
    for project_id in due:
        with transaction(factory) as session:
            project = projects.lock_if_free(session, project_id)
            if project is not None:
                release_expired(session, project, settings)
                advance(session, project, settings.job_max_attempts)
    with transaction(factory) as session:
        for job_id, queue in queries.mark_unheard(session, WAKE_AGAIN_SECONDS):
            wake_after_commit(session, job_id, queue)
            result.woken.append(job_id)
    return result


def _sweep_job(
    session: Session, project_id: int, job_id: int, settings: Settings, result: SweepResult
) -> None:
    if projects.lock_if_free(session, project_id) is None:
        return
    job = queries.lock_stale(session, job_id)
    if job is None:
        return
    job.lost_workers += 1
    if job.lost_workers < settings.job_max_lost_workers:
        job.attempts -= 1
        job.error = LOST_WORKER
        _requeue(session, job, reason=LOST_WORKER)
    else:
        _fail(session, job, f"{LOST_WORKER}; it has lost {job.lost_workers} workers")
    (result.failed if job.state == JobState.FAILED else result.requeued).append(job_id)


def _end_attempt(session: Session, job: Job, reason: str, *, for_good: bool = False) -> None:
    if job.attempts < job.max_attempts and not for_good:
        job.error = reason
        _requeue(session, job, reason=reason)
    else:
        _fail(session, job, reason)


def _fail(session: Session, job: Job, reason: str) -> None:
    job.error = reason
    set_job_state(session, job, JobState.FAILED, reason=reason, attempts=job.attempts)
    round_ = session.get(Round, job.round_id) if job.round_id else None
    if round_ is not None:
        set_round_state(session, round_, RoundState.FAILED, reason=reason)


def _requeue(session: Session, job: Job, *, reason: str) -> None:
    set_job_state(session, job, JobState.QUEUED, reason=reason)
    job.woken_at = func.now()
    wake_after_commit(session, job.id, job.queue)


def _lock_owned(session: Session, job_id: int, token: UUID) -> Job | None:
    """Return the job with its project locked, or None if it belongs to another or has ended."""
    job = queries.get(session, job_id)
    if job is None:
        return None
    try:
        projects.lock(session, job.project_id)
    except NotFound:  # the project was deleted, and its jobs cancelled
        return None
    return queries.owned(session, job_id, token)
