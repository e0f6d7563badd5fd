"""Responses of rounds, jobs, models and the learning curve."""

from datetime import datetime
from typing import Any

from pydantic import Field

from app.db.tables import BatchSource, JobKind, ModelRole
from app.domain.states import BatchItemState, JobState, RoundState
from app.domain.stopping import Verdict
from app.schemas.bodies import Response


class RoundOut(Response):
    """One train-select-label cycle; `seconds` by part, device-synchronised.

    `settings` holds what it is run with: proxy, selection options and trigger, as they were when it
    was created. `selection` holds what decided the ranking: seed, options, hashes of model, pool
    snapshot and brought features, and what the candidate pool did.
    """

    number: int
    state: RoundState
    strategy: str
    budget: int
    n_labeled: int | None
    model_id: int | None
    seconds: dict[str, float]
    settings: dict[str, Any]
    selection: dict[str, Any]
    created_at: datetime
    labeling_at: datetime | None
    completed_at: datetime | None


class SelectedItem(Response):
    """An item that a round selected: its place, its score (higher = sooner), what became of it."""

    item_id: int
    external_id: str
    index: int
    rank: int
    source: BatchSource
    score: float
    is_control: bool
    state: BatchItemState


class SelectedPage(Response):
    """Items by rank; `next_cursor` asks for the following page."""

    items: list[SelectedItem]
    next_cursor: int | None


class JobOut(Response):
    """Work for a worker; `error` is why its last attempt ended. A lost worker costs no attempt."""

    id: int
    kind: JobKind
    state: JobState
    attempts: int
    max_attempts: int
    lost_workers: int
    progress: dict[str, Any]
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobPage(Response):
    """Jobs, newest first; `next_cursor` asks for the following page."""

    jobs: list[JobOut]
    next_cursor: int | None


class ModelOut(Response):
    """A trained model; `stale` says that a label it learned from was revised since."""

    id: int
    role: ModelRole
    name: str
    round_number: int | None
    n_labeled: int
    metrics: dict[str, Any]
    seconds: dict[str, float]
    recipe: dict[str, Any]
    recipe_hash: str
    provenance: dict[str, Any]
    stale: bool
    created_at: datetime


class CurvePoint(Response):
    """One model on the evaluation split."""

    model_id: int
    role: ModelRole
    round: int | None
    n_labeled: int
    accuracy: float | None
    seconds: dict[str, float]


class GoldScoreOut(Response):
    """Share of gold answered rightly since the annotator was last resumed, with its 95% interval.

    Skipped gold does not count; the interval is Wilson's.
    """

    n_answers: int
    n_right: int
    accuracy: float | None
    low: float
    high: float


class ShareOut(Response):
    """A measured share of `n` items with its 95% interval (Wilson)."""

    accuracy: float
    low: float
    high: float
    n: int


class StabilityOut(Response):
    """How far two proxies agree on `n` unlabeled items, a fixed uniform sample of the pool.

    `kappa` is Cohen's; null where both always predict the same single class.
    """

    round: int
    n: int
    agreement: float
    kappa: float | None


class MeasuredRoundOut(Response):
    """How good a round's proxy is.

    `evaluation`: on the evaluation split. `control`: on the control arm of the round, a uniform
    sample of the pool, by predictions made before its labels were known. `stability`: against the
    proxy of the round before.
    """

    round: int
    model_id: int
    proxy: str
    n_labeled: int
    evaluation: ShareOut | None
    control: ShareOut | None
    stability: StabilityOut | None


class GainOut(Response):
    """By how much the proxy's accuracy is expected to rise from `n_from` to `n_to` labels.

    By an inverse power law that is fitted to the measured accuracies. The 95% interval `low` to
    `high` is that of one training at each end; the mean over trainings rises by at most
    `mean_high`, with which `stop_when.gain` is compared.
    """

    n_from: int
    n_to: int
    expected: float
    low: float
    high: float
    mean_high: float


class AdviceOut(Response):
    """Whether labeling more is worth it, why, and what was measured.

    `expected_gain` is that of the next batch; it needs three rounds measured on the evaluation
    split, or else on the control arm: `measured_on` says which. It is null, too, while the error
    still falls faster than the law allows.
    """

    advice: Verdict
    reasons: list[str]
    expected_gain: GainOut | None
    measured_on: str | None
    rounds: list[MeasuredRoundOut]


class AnnotatorOut(Response):
    """Counts of one annotator's labels; only labels that stand are counted.

    Labels on reserve were given on a ranking that did not know the batch before it: their share
    says how stale the rankings are that annotators work on.
    """

    name: str
    n_labels: int
    n_on_reserve: int
    labels_behind_median: float
    seconds_median: float | None
    last_label_at: datetime | None
    n_flagged: int = 0
    gold: GoldScoreOut
    paused: str | None = Field(description="Why the project hands them nothing; null: it does.")
