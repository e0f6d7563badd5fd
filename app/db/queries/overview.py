"""Statements of a project's overview: none of them reads the whole pool."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, literal, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app.db.tables import (
    BatchItemSlot,
    ItemFlag,
    Job,
    Label,
    LabelStudioConnection,
    PausedAnnotator,
    SetAsideItem,
    Webhook,
    Worker,
)
from app.domain.states import JobState
from app.domain.webhooks import BY_LEAD

HOUR = timedelta(hours=1)
FAILURES = 3  # exchanges in a row; a Label Studio that restarts fails one or two
SILENCE = timedelta(minutes=15)  # longer than the longest pause between exchanges


@dataclass(frozen=True)
class LabelPace:
    """Labels given today (UTC) and within the last hour, by the database's clock.

    `seconds` have passed since the first label of that hour; 0 without one.
    """

    now: datetime
    today: int
    last_hour: int
    seconds: float


@dataclass(frozen=True)
class HeldSlots:
    """Leases that run, and those that have run out and are not freed yet."""

    leased: int
    expired: int


@dataclass(frozen=True)
class Signs:
    """Counts of what may need somebody."""

    n_set_aside: int
    n_open_flags: int
    n_paused_annotators: int
    n_workers: int
    n_disabled_webhooks: int
    n_failing_webhooks: int
    label_studio_fault: str | None
    is_label_studio_silent: bool


def label_pace(session: Session, project_id: int) -> LabelPace:
    """Return how many labels were given here lately, those withdrawn since too: they took time."""
    day = func.date_trunc("day", func.now(), "UTC")
    in_hour = Label.created_at >= func.now() - HOUR
    now, today, last_hour, first = session.execute(
        select(
            func.now(),
            func.count(Label.id).filter(Label.created_at >= day),
            func.count(Label.id).filter(in_hour),
            func.min(Label.created_at).filter(in_hour),
        ).where(
            Label.project_id == project_id,
            Label.batch_item_id.is_not(None),
            Label.created_at >= func.least(day, func.now() - HOUR),
        )
    ).one()
    return LabelPace(now, today, last_hour, (now - first).total_seconds() if first else 0.0)


def last_label_at(session: Session, project_id: int) -> datetime | None:
    """Return when the newest label was given."""
    return session.scalar(
        select(Label.created_at)
        .where(Label.project_id == project_id)
        .order_by(Label.project_id.desc(), Label.id.desc())  # by the index of the two
        .limit(1)
    )


def held_slots(session: Session, project_id: int) -> HeldSlots:
    """Return how many slots annotators hold."""
    is_live = BatchItemSlot.leased_until > func.now()
    leased, expired = session.execute(
        select(func.count().filter(is_live), func.count().filter(~is_live)).where(
            BatchItemSlot.project_id == project_id,
            BatchItemSlot.leased_until.is_not(None),
            ~BatchItemSlot.filled,
        )
    ).one()
    return HeldSlots(leased, expired)


def seconds_of_last_runs(session: Session, project_id: int) -> dict[str, float]:
    """Return kind of job -> seconds that the last one that succeeded took."""
    seconds = func.extract("epoch", Job.finished_at - Job.started_at)
    rows = session.execute(
        select(Job.kind, seconds)
        .where(
            Job.project_id == project_id,
            Job.state == JobState.SUCCEEDED,
            Job.started_at.is_not(None),
        )
        .ext(distinct_on(Job.kind))
        .order_by(Job.kind, Job.id.desc())
    )
    return {kind: float(passed) for kind, passed in rows}


def signs(session: Session, project_id: int, seen_within_seconds: float) -> Signs:
    """Count what may need somebody, in one statement."""
    since = func.now() - literal(timedelta(seconds=seen_within_seconds))
    counted = (
        select(func.count()).select_from(SetAsideItem).where(SetAsideItem.project_id == project_id),
        select(func.count())
        .select_from(ItemFlag)
        .where(ItemFlag.project_id == project_id, ItemFlag.closed_at.is_(None)),
        select(func.count())
        .select_from(PausedAnnotator)
        .where(PausedAnnotator.project_id == project_id, PausedAnnotator.resumed_at.is_(None)),
        select(func.count()).select_from(Worker).where(Worker.seen_at > since),
        select(func.count())
        .select_from(Webhook)
        .where(
            Webhook.project_id == project_id,
            Webhook.disabled_at.is_not(None),
            Webhook.disabled_reason != BY_LEAD,
        ),
        select(func.count())
        .select_from(Webhook)
        .where(
            Webhook.project_id == project_id,
            Webhook.disabled_at.is_(None),
            Webhook.failing_since < func.now() - HOUR,
        ),
        select(LabelStudioConnection.error).where(
            LabelStudioConnection.project_id == project_id,
            LabelStudioConnection.n_failures >= FAILURES,
        ),
        select(func.count() > 0)
        .select_from(LabelStudioConnection)
        .where(
            LabelStudioConnection.project_id == project_id,
            func.coalesce(LabelStudioConnection.begun_at, LabelStudioConnection.created_at)
            < func.now() - SILENCE,
        ),
    )
    return Signs(*session.execute(select(*(each.scalar_subquery() for each in counted))).one())
