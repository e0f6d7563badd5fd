"""Statements on jobs: claim, heartbeat, fence, and those of the sweeper.

Leases run by the database's clock, never by a worker's.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, case, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.config import MAX_JOB_LEASE_SECONDS
from app.db.tables import BatchItemSlot, Job, JobKind
from app.domain.states import LIVE_JOB_STATES, JobState

# A lease that ends later than any lease may was given before the clock was set back: its holder, if
# it lives, gives itself a right one with the next heartbeat.
LONGEST_LEASE = timedelta(seconds=MAX_JOB_LEASE_SECONDS)
IS_STALE = and_(
    Job.state == JobState.RUNNING,
    or_(Job.lease_until < func.now(), Job.lease_until > func.now() + LONGEST_LEASE),
)
IS_WAITING = and_(Job.state == JobState.QUEUED, Job.attempts < Job.max_attempts)


def is_claimable(max_lost_workers: int) -> ColumnElement[bool]:
    """Return the condition on a job that a claim would win."""
    return or_(IS_WAITING, and_(IS_STALE, Job.lost_workers + 1 < max_lost_workers))


def project_of(session: Session, job_id: int) -> int | None:
    """Return the project of a job; None: there is no such job."""
    return session.scalar(select(Job.project_id).where(Job.id == job_id))


def claim(  # noqa: PLR0913, PLR0917 - all bound in one statement
    session: Session,
    job_id: int,
    token: UUID,
    lease_seconds: float,
    max_lost_workers: int,
    kinds: Collection[JobKind],
) -> tuple[Job, JobState] | None:
    """Give the job to the holder of `token`; return None unless it waits or has lost its holder.

    None as well if it is not of these kinds.

    Returns the job and the state that it was in. One UPDATE: of any number of claims at once
    exactly one wins. Does not wait for the row: a child may hold it for as long as it lives, and
    the worker looks again. The worker that replaces a lost one continues its attempt.
    """
    is_lost = case((Job.state == JobState.RUNNING, 1), else_=0)
    found = (
        select(Job.id, Job.state)
        .where(Job.id == job_id, Job.kind.in_(kinds), is_claimable(max_lost_workers))
        .with_for_update(key_share=True, skip_locked=True)
        .cte("found")
    )
    row = session.execute(
        update(Job)
        .where(Job.id == found.c.id)
        .values(
            state=JobState.RUNNING,
            token=token,
            lease_until=func.now() + timedelta(seconds=lease_seconds),
            attempts=Job.attempts + 1 - is_lost,
            lost_workers=Job.lost_workers + is_lost,
            started_at=func.coalesce(Job.started_at, func.now()),
        )
        .returning(Job, found.c.state)
        .execution_options(populate_existing=True)
    ).one_or_none()
    return None if row is None else (row[0], JobState(row[1]))


def extend_lease(session: Session, job_id: int, token: UUID, lease_seconds: float) -> bool:
    """Extend the lease; False if somebody has locked the row, or the holder has lost the job.

    Waits for no lock: the supervisor, who beats, must be free to kill a child that hangs within a
    transaction of its own.
    """
    free = (
        select(Job.id)
        .where(Job.id == job_id, Job.token == token, Job.state == JobState.RUNNING)
        .with_for_update(key_share=True, skip_locked=True)
        .cte("free")
    )
    row = session.execute(
        update(Job)
        .where(Job.id == free.c.id)
        .values(lease_until=func.now() + timedelta(seconds=lease_seconds))
        .returning(Job.id)
    ).one_or_none()
    return row is not None


def keep_log(session: Session, job_id: int, log: str) -> None:
    """Store what the job's process has logged, unless somebody holds the row at this moment."""
    free = select(Job.id).where(Job.id == job_id).with_for_update(key_share=True, skip_locked=True)
    found = free.cte("free")
    session.execute(update(Job).where(Job.id == found.c.id).values(log=log))


def log_of(session: Session, job_id: int) -> str:
    """Return what the process of the job's newest attempt has logged; "" if nothing is known."""
    return session.scalar(select(Job.log).where(Job.id == job_id)) or ""


def is_owned(session: Session, job_id: int, token: UUID) -> bool:
    """Return whether the holder of `token` still owns the job; locks nothing."""
    owned = select(Job.id).where(
        Job.id == job_id, Job.token == token, Job.state == JobState.RUNNING
    )
    return session.scalar(owned) is not None


def set_progress(session: Session, job_id: int, token: UUID, progress: dict[str, Any]) -> bool:
    """Store the progress; False means that the job belongs to another or has ended."""
    row = session.execute(
        update(Job)
        .where(Job.id == job_id, Job.token == token, Job.state == JobState.RUNNING)
        .values(progress=progress)
        .returning(Job.id)
    ).one_or_none()
    return row is not None


def get(session: Session, job_id: int) -> Job | None:
    """Return the job."""
    return session.get(Job, job_id)


def newest_of_round(session: Session, round_id: int) -> Job | None:
    """Return the round's newest job."""
    return session.scalar(
        select(Job).where(Job.round_id == round_id).order_by(Job.id.desc()).limit(1)
    )


def owned(session: Session, job_id: int, token: UUID) -> Job | None:
    """Return the job, locked, if the holder of `token` still owns it."""
    return session.scalar(
        select(Job)
        .where(Job.id == job_id, Job.token == token, Job.state == JobState.RUNNING)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def has_live(session: Session, project_id: int, kind: JobKind) -> bool:
    """Return whether a job of this kind is queued or running."""
    return bool(session.scalar(_HAS_LIVE, {"project_id": project_id, "of_kind": kind}))


_HAS_LIVE = select(
    exists().where(
        Job.project_id == bindparam("project_id"),
        Job.kind == bindparam("of_kind"),
        Job.state.in_(LIVE_JOB_STATES),
    )
)


def live_of_project(session: Session, project_id: int) -> Sequence[Job]:
    """Return the project's queued and running jobs, locked."""
    return session.scalars(
        select(Job)
        .where(Job.project_id == project_id, Job.state.in_(LIVE_JOB_STATES))
        .order_by(Job.id)
        .with_for_update()
    ).all()


def list_page(session: Session, project_id: int, before_id: int | None, limit: int) -> list[Job]:
    """Return up to `limit` jobs of the project, newest first, below `before_id`."""
    statement = select(Job).where(Job.project_id == project_id)
    if before_id is not None:
        statement = statement.where(Job.id < before_id)
    return list(session.scalars(statement.order_by(Job.id.desc()).limit(limit)))


def live_of_projects(session: Session, project_ids: Sequence[int]) -> list[Job]:
    """Return the queued and running jobs of these projects, oldest first."""
    return list(
        session.scalars(
            select(Job)
            .where(Job.project_id.in_(project_ids), Job.state.in_(LIVE_JOB_STATES))
            .order_by(Job.id)
        )
    )


_LAST = (JobKind.ANALYZE, JobKind.IMPORT, JobKind.EXPORT_LABELS)


def claimable_ids(
    session: Session, queues: Sequence[str], max_lost_workers: int, kinds: Collection[JobKind]
) -> list[int]:
    """Return the jobs of these queues and kinds that a claim would win, in the order to do them.

    Short ones come first: by the seconds of the last run of their kind, of the project where it has
    one, less those that they have waited. So a long one waits for newer ones no longer than it
    takes itself, and the jobs of no project starve. Analyses, imports and exports come last: nobody
    waits for them as annotators do for a round.
    """
    waited = func.extract("epoch", func.now() - Job.created_at)
    return list(
        session.scalars(
            select(Job.id)
            .where(Job.queue.in_(queues), Job.kind.in_(kinds), is_claimable(max_lost_workers))
            .order_by(Job.kind.in_(_LAST), _expected() - waited, Job.id)
        )
    )


def _expected() -> ColumnElement[float]:
    """Return the seconds that a job takes if it is like the last one of its kind; 0: unknown."""
    last = aliased(Job)
    seconds = select(func.extract("epoch", last.finished_at - last.started_at)).where(
        last.kind == Job.kind, last.state == JobState.SUCCEEDED
    )
    of_project = seconds.where(last.project_id == Job.project_id)
    newest = [s.order_by(last.id.desc()).limit(1).scalar_subquery() for s in (of_project, seconds)]
    return func.coalesce(*newest, 0)


def n_running(session: Session, queue: str, kinds: Collection[JobKind]) -> int:
    """Return how many jobs of the queue run."""
    statement = select(func.count()).where(
        Job.queue == queue, Job.kind.in_(kinds), Job.state == JobState.RUNNING
    )
    return session.scalar(statement) or 0


def is_kept_waiting(
    session: Session, queues: Sequence[str], kinds: Collection[JobKind], after_seconds: float
) -> bool:
    """Return whether a job of these queues and kinds has waited so long for a worker."""
    return bool(
        session.scalar(
            select(
                exists().where(
                    Job.queue.in_(queues),
                    Job.kind.in_(kinds),
                    IS_WAITING,
                    Job.created_at < func.now() - timedelta(seconds=after_seconds),
                )
            )
        )
    )


def stale(session: Session) -> list[tuple[int, int]]:
    """Return (project, job) of every running job whose lease has ended."""
    rows = session.execute(select(Job.project_id, Job.id).where(IS_STALE).order_by(Job.id))
    return [(project_id, job_id) for project_id, job_id in rows]


def lock_stale(session: Session, job_id: int) -> Job | None:
    """Return the job, locked, if its lease has ended and nobody has claimed it since."""
    return session.scalar(
        select(Job)
        .where(Job.id == job_id, IS_STALE)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def mark_unheard(session: Session, after_seconds: float) -> list[tuple[int, str]]:
    """Return (job, queue) of queued jobs whose last wake-up is older; record a new wake-up now."""
    rows = session.execute(
        update(Job)
        .where(
            Job.state == JobState.QUEUED,
            Job.woken_at < func.now() - timedelta(seconds=after_seconds),
        )
        .values(woken_at=func.now())
        .returning(Job.id, Job.queue)
    )
    return [(job_id, queue) for job_id, queue in rows]


def projects_with_expired_leases(session: Session) -> list[int]:
    """Return the projects with expired annotation leases."""
    return list(
        session.scalars(
            select(BatchItemSlot.project_id)
            .where(BatchItemSlot.leased_until <= func.now(), ~BatchItemSlot.filled)
            .distinct()
        )
    )


def seconds_to_selection(session: Session, project_id: int) -> float | None:
    """Return when the project's live selection ends, if it takes as long as the last one did.

    Of the first one, if its epochs go on as they did so far. None: none is live, or nothing is
    known yet. Below 0: it takes longer.
    """
    last = aliased(Job)
    took = (
        select(func.extract("epoch", last.finished_at - last.started_at))
        .where(
            last.project_id == project_id,
            last.kind == Job.kind,
            last.state == JobState.SUCCEEDED,
            last.started_at.is_not(None),
        )
        .order_by(last.id.desc())
        .limit(1)
        .correlate(Job)
        .scalar_subquery()
    )
    runs = func.coalesce(func.extract("epoch", func.now() - Job.started_at), 0)
    n_epochs, n_done = (Job.progress[name].as_float() for name in ("epochs", "epoch"))
    goes_on = runs * n_epochs / func.nullif(n_done, 0)
    seconds = session.scalar(
        select(func.coalesce(took, goes_on) - runs).where(
            Job.project_id == project_id,
            Job.kind.in_((JobKind.SELECT, JobKind.TRAIN_AND_SELECT)),
            Job.state.in_((JobState.QUEUED, JobState.RUNNING)),
        )
    )
    return None if seconds is None else float(seconds)
