"""Requests and responses of core-sets."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.schemas.bodies import Request, Response
from app.schemas.jobs import MadeByJobOut

MAX_SCORE_EPOCHS = 1000


class CoreSetIn(Request):
    """A core-set of the items that are labeled now; give either `fraction` or `budget`."""

    strategy: str
    fraction: Annotated[float | None, Field(gt=0, lt=1)] = None
    budget: Annotated[int | None, Field(ge=1)] = None
    model: Annotated[
        str | None, Field(description="The model that selects; by default the project's proxy.")
    ] = None
    recipe: Annotated[
        dict[str, Any], Field(description="Overrides of the model's default recipe.")
    ] = Field(default_factory=dict)
    epochs: Annotated[int | None, Field(ge=1, le=100_000)] = None
    class_balance: bool = False
    initial_uniform: Annotated[
        int, Field(ge=0, description="Items drawn uniformly first; they count in the budget.")
    ] = 0
    seed: Annotated[int | None, Field(ge=0, lt=2**31)] = None
    draw_seed: Annotated[
        int | None,
        Field(
            ge=0,
            lt=2**31,
            description="Seed of the uniform draw, so that core-sets of several seeds begin alike.",
        ),
    ] = None
    score_epochs: Annotated[
        list[Annotated[int, Field(ge=1, le=100_000)]],
        Field(
            max_length=MAX_SCORE_EPOCHS,
            description="After which epochs of the model's training the scores of all labeled "
            "items and the model's accuracy are kept.",
        ),
    ] = Field(default_factory=list)

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"strategy": "forgetting_events", "fraction": 0.5, "class_balance": True}
        }
    )


class CoreSetOut(MadeByJobOut):
    """A core-set; its items can be read when `state` is `succeeded`."""

    strategy: str
    budget: int
    class_balance: bool
    initial_uniform: int
    model: str
    recipe: dict[str, Any]
    seed: int
    draw_seed: int | None
    score_epochs: list[int]
    weights_hash: str | None


class CoreSetItemOut(Response):
    """One kept item; `rank` 0 was selected first, `class` is the label it was selected with."""

    rank: int
    item_id: int
    external_id: str
    index: int
    class_: Annotated[str, Field(serialization_alias="class")]
    score: float


class CoreSetScoresOut(Response):
    """The selection model after one epoch, from 1, of its training.

    `accuracy` is on the evaluation split, `train_seconds` are those until then, on the clock, and
    `train_cpu_seconds` those of CPU cores.
    """

    epoch: int
    accuracy: float | None
    train_seconds: float
    train_cpu_seconds: float | None
