"""Answers about annotators."""

from typing import TypedDict


class GoldScore(TypedDict):
    """Share of gold answered rightly since the last pause, with its 95% interval."""

    n_answers: int
    n_right: int
    accuracy: float | None
    low: float
    high: float


class Annotator(TypedDict):
    """The work of one annotator; withdrawn labels are not counted."""

    name: str
    n_labels: int
    n_on_reserve: int
    labels_behind_median: float
    seconds_median: float | None
    last_label_at: str | None
    n_flagged: int
    n_excluded: int
    gold: GoldScore
    paused: str | None
