"""Answers about a project's overview."""

from typing import TypedDict

from svp_client.types.jobs import Job
from svp_client.types.projects import RoundRef


class Pace(TypedDict):
    """Labels given today (UTC) and in the last hour, and how long the rest takes at that pace."""

    labels_today: int
    labels_last_hour: int
    labels_per_hour: float
    n_left: int
    seconds_left: float | None
    last_label_at: str | None


class Queue(TypedDict):
    """Items that wait for labels: open ones of the batch and of the reserve, and slots held."""

    n_batch: int
    n_reserve: int
    n_leased: int
    n_expired: int
    n_behind: int | None


class FlaggedLabels(TypedDict):
    """Labels of annotators who failed on gold, and how many of them the project leaves out."""

    setting: str
    n_labels: int
    n_excluded: int


class LiveJob(Job):
    """A queued or running job; it ends at `expected_end_at` if it takes as long as the last one."""

    last_seconds: float | None
    expected_end_at: str | None


class FoundProblem(TypedDict):
    """A problem: `detail` says what it is, `action` what to do; `job_id` is the failed job's."""

    code: str
    detail: str
    action: str
    job_id: int | None


class Overview(TypedDict):
    """A project at one moment: how far it is, who works on it, and what needs somebody."""

    id: int
    name: str
    state: str
    n_pool: int
    n_evaluation: int
    n_labeled: int
    n_imported: int
    n_skipped: int
    total_budget: int
    progress: float
    round: RoundRef | None
    stop_reasons: list[str] | None
    pace: Pace
    queue: Queue
    flagged_labels: FlaggedLabels
    jobs: list[LiveJob]
    n_workers: int
    problems: list[FoundProblem]
