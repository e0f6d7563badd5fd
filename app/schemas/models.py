"""Responses of trained models."""

from datetime import datetime
from typing import Any

from app.db.tables import ModelRole
from app.schemas.bodies import Response


class ModelOut(Response):
    """A trained model; `stale` says that a label that it learned from has been revised since."""

    id: int
    role: ModelRole
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
    created_at: datetime


class CurvePoint(Response):
    """One model on the evaluation split."""

    model_id: int
    role: ModelRole
    round: int | None
    n_labeled: int
    accuracy: float | None
    seconds: dict[str, float]
    cpu_seconds: dict[str, float]
