"""Answers about next-batch and leases."""

from typing import TypedDict

from svp_client.types.items import Content

Suggestion = TypedDict(
    "Suggestion",
    {
        "class": str,
        "confidence": float,
    },
)
"""The proxy's most probable class; confidence is its probability."""


class BatchItem(TypedDict):
    """An item leased to the annotator until `leased_until`."""

    item_id: int
    external_id: str
    content: Content
    suggestion: Suggestion | None
    rank: int | None
    source: str | None
    model_version: str | None
    labels_behind: int | None
    leased_until: str | None


class NextBatch(TypedDict):
    """Items to label now; where there are none, `state` and `waiting_for` say why."""

    state: str
    round: int | None
    items: list[BatchItem]
    waiting_for: str | None
    ready_in_seconds: float | None


class Lease(TypedDict):
    """A live lease of the annotator."""

    item_id: int
    leased_until: str
