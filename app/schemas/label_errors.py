"""Requests and responses about labels that are likely wrong."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.schemas.bodies import Request, Response
from app.schemas.jobs import MadeByJobOut
from app.services.label_errors import Judge


class LabelErrorsIn(Request):
    """A search for labels that are likely wrong among those at hand."""

    judge: Annotated[Judge, Field(description="The model that judges.")] = Judge.PROXY

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"judge": "proxy"}})


class LabelErrorsResult(Response):
    """A search's answer: of `n_checked` labels `n_expected` are wrong, says confident learning.

    `n_listed` items stand in the list, most suspected first. `by_reason` counts the items of each
    reason, over all labels.
    """

    n_checked: int
    n_expected: int
    n_listed: int
    by_reason: dict[str, int]


class LabelErrorsOut(MadeByJobOut):
    """A search for labels that are likely wrong."""

    options: dict[str, Any]
    result: LabelErrorsResult | None


class SuspectedLabelOut(Response):
    """A label that is likely wrong; `class` is the label, `class_now` that of today.

    `suspicion`, 0 to 1, orders the list. `suggested` is the most probable class by models that have
    not seen the label, with their probabilities of both. `reasons`: `other_class` (confident
    learning is sure of another class), `never_learned`, `often_forgotten`, `large_early_error` (in
    the training on all labels). `class_now` is null while the item waits for opinions.
    """

    rank: int
    item_id: int
    external_id: str
    index: int
    class_: str = Field(serialization_alias="class")
    suggested: str
    suggested_probability: float
    label_probability: float
    suspicion: float
    reasons: list[str]
    class_now: str | None


class SuspectedLabelPage(Response):
    """Suspected labels, most suspected first; `next_cursor` asks for the following page."""

    items: list[SuspectedLabelOut]
    next_cursor: int | None
