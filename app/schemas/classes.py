"""Responses about the classes of a project."""

from pydantic import Field

from app.schemas.bodies import Response
from app.schemas.measures import IntervalOut
from app.services.classes import SharesFrom


class FoundClassOut(Response):
    """One class: its resolved labels, its share of the pool, and whether that is rare."""

    class_: str = Field(serialization_alias="class")
    n_labeled: int
    share: IntervalOut | None
    is_rare: bool


class FoundByRoundOut(Response):
    """The labels of a round, `n_rare` of rare classes; `round` is null of imported labels.

    `n_labeled` are those that the strategy chose, `n_control` those of its control arm, which is
    drawn uniformly: compare the two shares of rare ones. `n_classes` have a label by then.
    """

    round: int | None
    n_labeled: int
    n_rare: int
    n_control: int
    n_control_rare: int
    n_classes: int
    n_rare_classes: int


class ClassesOut(Response):
    """The classes, in the project's order, and what each round found, oldest first.

    A class is rare if its share is below half of an even one. `shares_from` says where shares are
    read: `control` (labeled control items, a uniform sample), `evaluation` (the evaluation split),
    or `labels` (all of them, though a strategy chose them).
    """

    shares_from: SharesFrom
    classes: list[FoundClassOut]
    rounds: list[FoundByRoundOut]
