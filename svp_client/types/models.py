"""Answers about models and the learning curve."""

from typing import Any, TypedDict

from svp_client.types.analyses import Analysis


class Model(TypedDict):
    """A trained model; `stale` says that a label that it learned from has been revised since."""

    id: int
    role: str
    name: str
    round_number: int | None
    n_labeled: int
    metrics: dict[str, Any]
    seconds: dict[str, float]
    cpu_seconds: dict[str, float]
    recipe: dict[str, Any]
    recipe_hash: str
    provenance: dict[str, Any]
    stale: bool
    created_at: str


class CurvePoint(TypedDict):
    """One model on the evaluation split."""

    model_id: int
    role: str
    round: int | None
    n_labeled: int
    accuracy: float | None
    seconds: dict[str, float]
    cpu_seconds: dict[str, float]


class PoolPredictionsResult(TypedDict):
    """How many items were predicted, of how many; the rest is set aside."""

    model_id: int
    n: int
    n_pool: int


class PoolPredictions(Analysis):
    """Predictions of the pool with their job; `result` once it has ended."""

    result: PoolPredictionsResult | None


PredictedItem = TypedDict(
    "PredictedItem",
    {"item_id": int, "external_id": str, "index": int, "class": str, "confidence": float},
)
"""An item's most probable class."""
