"""The response of a project's overview."""

from datetime import datetime

from pydantic import Field

from app.domain.annotation import FlaggedLabels
from app.domain.states import ProjectState
from app.schemas.bodies import Response
from app.schemas.jobs import JobOut
from app.schemas.projects import RoundRef
from app.services.overview import ProblemCode


class PaceOut(Response):
    """Labels given today (UTC) and in the last hour, and how long the rest takes at that pace.

    `n_left` labels are left of the total budget; `seconds_left` is null where nobody labels now.
    """

    labels_today: int
    labels_last_hour: int
    labels_per_hour: float
    n_left: int
    seconds_left: float | None
    last_label_at: datetime | None


class QueueOut(Response):
    """Items that wait for labels: open ones of the batch and of the reserve, and slots held.

    `n_expired` leases have run out and will be handed out again. `n_behind` labels have been given
    since the newest ranking was made; null before the first.
    """

    n_batch: int
    n_reserve: int
    n_leased: int
    n_expired: int
    n_behind: int | None


class LiveJobOut(JobOut):
    """A queued or running job; it ends at `expected_end_at` if it takes as long as the last one.

    Null without an earlier job of its kind.
    """

    last_seconds: float | None
    expected_end_at: datetime | None


class FoundProblemOut(Response):
    """A problem: `detail` says what it is, `action` what to do; `job_id` is the failed job's."""

    code: ProblemCode
    detail: str
    action: str
    job_id: int | None


class FlaggedLabelsOut(Response):
    """Labels of annotators who failed on gold, and how many of them the project leaves out."""

    setting: FlaggedLabels
    n_labels: int
    n_excluded: int


class OverviewOut(Response):
    """A project at one moment: how far it is, who works on it, and what needs somebody.

    `progress` is the share of the total budget that is labeled, 0 to 1.
    """

    id: int
    name: str
    state: ProjectState
    n_pool: int
    n_evaluation: int
    n_labeled: int
    n_imported: int
    n_skipped: int
    total_budget: int
    progress: float
    round: RoundRef | None
    stop_reasons: list[str] | None = Field(description="Why labeling has ended by itself.")
    pace: PaceOut
    queue: QueueOut
    flagged_labels: FlaggedLabelsOut
    jobs: list[LiveJobOut]
    n_workers: int
    problems: list[FoundProblemOut]
