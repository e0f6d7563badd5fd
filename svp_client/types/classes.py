"""Answers about the classes of a project."""

from typing import TypedDict

from svp_client.types.model_metrics import Interval

FoundClass = TypedDict(
    "FoundClass",
    {"class": str, "n_labeled": int, "share": Interval | None, "is_rare": bool},
)
"""One class: its resolved labels, its share of the pool, and whether that is rare."""


class FoundByRound(TypedDict):
    """The labels of a round, and those of rare classes; `round` is null of imported labels."""

    round: int | None
    n_labeled: int
    n_rare: int
    n_control: int
    n_control_rare: int
    n_classes: int
    n_rare_classes: int


class Classes(TypedDict):
    """The classes of a project, and what each round found."""

    shares_from: str
    classes: list[FoundClass]
    rounds: list[FoundByRound]
