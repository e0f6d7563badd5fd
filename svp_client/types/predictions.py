"""Answers about predictions of given items."""

from typing import TypedDict

from svp_client.types.leases import Suggestion

Predicted = TypedDict(
    "Predicted",
    {
        "id": str | None,
        "class": str | None,
        "confidence": float | None,
        "top": list[Suggestion],
        "code": str | None,
        "detail": str | None,
    },
)
"""The most probable class of one item, and the next ones in `top`; or a code that says why not."""


class Predictions(TypedDict):
    """Predictions in the order of the items, and the model that made them."""

    model_id: int
    role: str
    model_version: str | None
    predictions: list[Predicted]
