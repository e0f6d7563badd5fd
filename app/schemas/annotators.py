"""Requests and responses of annotators."""

from datetime import datetime

from pydantic import Field

from app.schemas.bodies import Comment, Request, Response


class GoldScoreOut(Response):
    """Share of gold answered rightly since the annotator was last resumed, with its 95% interval.

    Skipped gold does not count; the interval is Wilson's.
    """

    n_answers: int
    n_right: int
    accuracy: float | None
    low: float
    high: float


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
    n_excluded: int = Field(0, description="Of the flagged labels, those that do not count.")
    gold: GoldScoreOut
    paused: str | None = Field(description="Why the project hands them nothing; null: it does.")


class PauseIn(Request):
    """The reason for a pause; the annotator reads it."""

    reason: Comment
    excludes_labels: bool = Field(
        default=False,
        description="Their labels no longer count, as after failed gold: flagged_labels decides.",
    )
