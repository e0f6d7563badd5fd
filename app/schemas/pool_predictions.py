"""Responses of a model's predictions for the whole pool."""

from pydantic import Field

from app.schemas.bodies import Response
from app.schemas.jobs import MadeByJobOut


class PoolPredictionsResult(Response):
    """How many items were predicted, of how many; the rest is set aside."""

    model_id: int
    n: int
    n_pool: int


class PoolPredictionsOut(MadeByJobOut):
    """Predictions of the pool with their job; `result` once it has ended."""

    result: PoolPredictionsResult | None


class PredictedItemOut(Response):
    """An item's most probable class."""

    item_id: int
    external_id: str
    index: int
    class_: str = Field(serialization_alias="class")
    confidence: float
