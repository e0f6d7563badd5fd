"""The overview of a project: how far it is, what works on it, and what needs somebody."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from app.db.queries import annotators, batches, jobs, overview, rounds
from app.db.queries.annotators import DistrustedLabels
from app.db.queries.overview import HeldSlots, LabelPace, Signs
from app.db.tables import Job, JobKind, Project, Round
from app.domain.states import JobState, ProjectState, RoundState
from app.services.workers import SEEN_WITHIN_SECONDS

SHORTEST_PACE_SECONDS = 60.0  # a few labels in a row tell no pace
NEWEST_JOBS = 50
QUIET_SECONDS = 3600.0


class ProblemCode(StrEnum):
    """The kinds of problems that an overview shows."""

    NO_WORKER = "no_worker"
    JOB_FAILED = "job_failed"
    ITEMS_SET_ASIDE = "items_set_aside"
    FLAGS_OPEN = "flags_open"
    ANNOTATORS_PAUSED = "annotators_paused"
    NOT_MEASURED = "not_measured"
    NOBODY_LABELS = "nobody_labels"
    NOTHING_TO_LABEL = "nothing_to_label"
    NO_ITEMS = "no_items"
    WEBHOOK_DISABLED = "webhook_disabled"
    WEBHOOK_FAILING = "webhook_failing"
    LABEL_STUDIO_FAILING = "label_studio_failing"


@dataclass(frozen=True)
class FoundProblem:
    """A problem of a project: `detail` says it, `action` what to do; `job_id` of a failed job."""

    code: ProblemCode
    detail: str
    action: str
    job_id: int | None = None


@dataclass(frozen=True)
class Pace:
    """Labels given lately, and how long the rest takes at that pace; None where nobody labels."""

    labels_today: int
    labels_last_hour: int
    labels_per_hour: float
    n_left: int
    seconds_left: float | None
    last_label_at: datetime | None


@dataclass(frozen=True)
class LiveJob:
    """A queued or running job, and when it ends if it takes as long as the last of its kind.

    Of the first of its kind: if its epochs go on as they did so far.
    """

    job: Job
    last_seconds: float | None
    expected_end_at: datetime | None


@dataclass(frozen=True)
class Queue:
    """Items that wait for labels.

    `n_behind` labels have been given since the newest ranking was made.
    """

    n_batch: int
    n_reserve: int
    n_leased: int
    n_expired: int
    n_behind: int | None


@dataclass(frozen=True)
class Overview:
    """A project at one moment."""

    project: Project
    round_: Round | None
    pace: Pace
    jobs: list[LiveJob]
    queue: Queue
    problems: list[FoundProblem]
    n_workers: int
    distrusted: DistrustedLabels


def read_overview(session: Session, project: Project) -> Overview:
    """Return the project's overview, by about ten statements however many items it has."""
    round_ = rounds.latest(session, project.id)
    counted = overview.label_pace(session, project.id)
    last_at = overview.last_label_at(session, project.id)
    queue = _queue(session, project, overview.held_slots(session, project.id))
    newest = jobs.list_page(session, project.id, None, NEWEST_JOBS)
    live = jobs.live_of_projects(session, [project.id])
    last_seconds = overview.seconds_of_last_runs(session, project.id)
    signs = overview.signs(session, project.id, SEEN_WITHIN_SECONDS)
    pace = _pace(project, counted, last_at)
    moment = _Moment(project, round_, pace, queue, newest, signs, counted.now)
    return Overview(
        project=project,
        round_=round_,
        pace=pace,
        jobs=[_expected(job, last_seconds.get(job.kind), counted.now) for job in live],
        queue=queue,
        problems=list(_problems(moment)),
        n_workers=signs.n_workers,
        distrusted=annotators.distrusted_labels(session, project.id),
    )


def _pace(project: Project, counted: LabelPace, last_at: datetime | None) -> Pace:
    seconds = max(counted.seconds, SHORTEST_PACE_SECONDS)
    per_hour = 3600 * counted.last_hour / seconds
    n_left = max(0, project.total_budget - project.n_labeled) * project.labels_per_item
    return Pace(
        labels_today=counted.today,
        labels_last_hour=counted.last_hour,
        labels_per_hour=round(per_hour, 1),
        n_left=n_left,
        seconds_left=3600 * n_left / per_hour if per_hour else None,
        last_label_at=last_at,
    )


def _queue(session: Session, project: Project, held: HeldSlots) -> Queue:
    counts = batches.open_by_source(session, project.id)
    published = rounds.newest_published(session, project.id)
    known = project.n_labeled + project.n_imported
    return Queue(
        n_batch=counts.get("batch", 0),
        n_reserve=counts.get("reserve", 0),
        n_leased=held.leased,
        n_expired=held.expired,
        n_behind=max(0, known - (published.n_labeled or 0)) if published else None,
    )


def _expected(job: Job, last_seconds: float | None, now: datetime) -> LiveJob:
    if job.started_at is None:
        return LiveJob(job, last_seconds, None)
    seconds = last_seconds
    if seconds is None and job.progress.get("epoch"):
        share = job.progress["epoch"] / job.progress["epochs"]
        seconds = (now - job.started_at).total_seconds() / share
    end = None if seconds is None else job.started_at + timedelta(seconds=seconds)
    return LiveJob(job, last_seconds, end)


@dataclass(frozen=True)
class _Moment:
    project: Project
    round_: Round | None
    pace: Pace
    queue: Queue
    newest_jobs: Sequence[Job]
    signs: Signs
    now: datetime


def _problems(moment: _Moment) -> Iterator[FoundProblem]:
    yield from _of_jobs(moment)
    yield from _of_items(moment)
    yield from _of_people(moment)
    yield from _of_webhooks(moment)
    yield from _of_label_studio(moment)


def _of_jobs(moment: _Moment) -> Iterator[FoundProblem]:
    waits = any(job.state == JobState.QUEUED for job in moment.newest_jobs)
    if waits and not moment.signs.n_workers:
        yield FoundProblem(
            ProblemCode.NO_WORKER,
            "A job waits, and no worker is running.",
            "Start one with `svp worker` (or `svp up`, which starts all parts).",
        )
    for job in _failed(moment):
        yield FoundProblem(
            ProblemCode.JOB_FAILED,
            f"Job {job.id} ({JobKind(job.kind).replace('_', ' ')}) has failed: {job.error or '?'}",
            "Mend the cause, then retry the job.",
            job.id,
        )


def _failed(moment: _Moment) -> Iterator[Job]:
    """Yield the failed jobs that nothing has taken the place of, newest first."""
    causes = set()
    for job in moment.newest_jobs:
        asides = (job.core_set_id, job.analysis_id, job.import_id, job.label_export_id)
        cause = (job.kind, job.round_id, *asides)
        if job.state == JobState.FAILED and cause not in causes:
            round_ = moment.round_
            is_past = job.round_id is not None and not (
                round_ and round_.id == job.round_id and round_.state == RoundState.FAILED
            )
            if not is_past:
                yield job
        causes.add(cause)


def _of_items(moment: _Moment) -> Iterator[FoundProblem]:
    project, signs = moment.project, moment.signs
    if project.n_pool == 0:
        yield FoundProblem(
            ProblemCode.NO_ITEMS, "The project has no items.", "Import files, then start it."
        )
    if signs.n_set_aside:
        yield FoundProblem(
            ProblemCode.ITEMS_SET_ASIDE,
            f"{signs.n_set_aside} items cannot be read and are set aside.",
            "Look at the reasons, mend the folder or host of the images, then try them again.",
        )
    if signs.n_open_flags:
        yield FoundProblem(
            ProblemCode.FLAGS_OPEN,
            f"Annotators have flagged items: {signs.n_open_flags} flags are open.",
            "Read the comments and close the flags.",
        )
    if project.n_pool and not project.n_evaluation and not _has_control_arm(project):
        yield FoundProblem(
            ProblemCode.NOT_MEASURED,
            "Nothing measures the models: the project has neither an evaluation split nor a "
            "control arm.",
            "Import items of the evaluation split with their classes, or set "
            "selection.control_fraction.",
        )


def _has_control_arm(project: Project) -> bool:
    return bool(project.selection.get("control_fraction"))


def _of_webhooks(moment: _Moment) -> Iterator[FoundProblem]:
    signs = moment.signs
    if signs.n_disabled_webhooks:
        yield FoundProblem(
            ProblemCode.WEBHOOK_DISABLED,
            f"{signs.n_disabled_webhooks} webhooks were disabled: their receivers are gone or "
            "have failed for days.",
            "Mend the receiver, enable the webhook in the settings, and replay what was missed; "
            "or delete it.",
        )
    if signs.n_failing_webhooks:
        yield FoundProblem(
            ProblemCode.WEBHOOK_FAILING,
            f"{signs.n_failing_webhooks} webhooks have failed for more than an hour.",
            "See the reason in the settings and mend the receiver; nothing is lost for 3 days.",
        )


def _of_label_studio(moment: _Moment) -> Iterator[FoundProblem]:
    project, signs = moment.project, moment.signs
    if project.state == ProjectState.DRAFT or project.archived_at is not None:
        return  # nothing is exchanged
    if signs.label_studio_fault is not None:
        yield FoundProblem(
            ProblemCode.LABEL_STUDIO_FAILING,
            f"The exchange with Label Studio fails: {signs.label_studio_fault}",
            "Mend the cause; it is tried again by itself, and answers wait in Label Studio.",
        )
    elif signs.is_label_studio_silent:
        yield FoundProblem(
            ProblemCode.LABEL_STUDIO_FAILING,
            "Nothing has been exchanged with Label Studio for a quarter of an hour.",
            "Start `svp labelstudio run` (or `svp up`, which starts all parts).",
        )


def _of_people(moment: _Moment) -> Iterator[FoundProblem]:
    signs, last_at = moment.signs, moment.pace.last_label_at
    if signs.n_paused_annotators:
        yield FoundProblem(
            ProblemCode.ANNOTATORS_PAUSED,
            f"{signs.n_paused_annotators} annotators are paused and get no items.",
            "See why, then resume them or clear up their labels.",
        )
    if moment.project.state != ProjectState.RUNNING or moment.pace.labels_last_hour:
        return
    n_open = moment.queue.n_batch + moment.queue.n_reserve
    since = last_at or (moment.round_.labeling_at if moment.round_ else None)
    if n_open and since and (moment.now - since).total_seconds() > QUIET_SECONDS:
        yield FoundProblem(
            ProblemCode.NOBODY_LABELS,
            f"{n_open} items wait for labels, and nobody has given one within the last hour.",
            "Invite annotators, or tell those who are invited.",
        )
    if not n_open and moment.round_ and moment.round_.state == RoundState.COMPLETED:
        yield FoundProblem(
            ProblemCode.NOTHING_TO_LABEL,
            "Nothing is left to label, although the budget is not spent.",
            "Import more items, make the budget larger, or finish the project.",
        )
