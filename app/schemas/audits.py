"""Requests and responses of audits."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.schemas.bodies import Request, Response
from app.schemas.jobs import MadeByJobOut
from app.schemas.measures import IntervalOut
from app.services.audits import N_SAMPLE


class AuditIn(Request):
    """An audit of the project's proxy on the labels at hand."""

    strategy: Annotated[
        str | None, Field(description="Whose scores are compared; by default the newest round's.")
    ] = None
    n_sample: Annotated[
        int, Field(ge=100, le=100_000, description="Unlabeled items, drawn uniformly, to score.")
    ] = N_SAMPLE

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"n_sample": 2000}})


class TrainingCostOut(Response):
    """Seconds of a training and of scoring the sample."""

    train_seconds: float
    train_cpu_seconds: float
    score_seconds: float


class ModelAgreementOut(TrainingCostOut):
    """Agreement of a model with the target on the order of the sample, and its cost.

    `correlation` is Spearman's, of the strategy's scores, `overlap` the share of the top items that
    are the target's too; each is the mean with both trainings of the target. `gap` is the ceiling
    less the correlation: where its interval holds 0, the model is as near as the target itself.
    """

    name: str
    correlation: IntervalOut
    overlap: IntervalOut
    gap: IntervalOut


class ComparisonOut(Response):
    """Models beside the target, on `n_sample` of `n_pool` unlabeled items.

    `ceiling` is what two trainings of the target with different seeds give; `n_top` items count for
    the overlap, of which chance alone would share `n_top` of `n_sample`. Intervals are bootstrap,
    over the items.
    """

    strategy: str
    n_sample: int
    n_pool: int
    n_top: int
    ceiling: IntervalOut
    ceiling_overlap: IntervalOut
    targets: list[TrainingCostOut]
    models: list[ModelAgreementOut]


class AuditOut(MadeByJobOut):
    """An audit: the project's proxy beside its target, both trained on the labels at hand."""

    options: dict[str, Any]
    result: ComparisonOut | None
