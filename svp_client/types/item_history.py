"""Answers about an item's history."""

from typing import TypedDict

from svp_client.types.flags import Flag
from svp_client.types.items import ListedItem
from svp_client.types.labels import LabelHistory


class Slot(TypedDict):
    """A wanted answer: who holds it until when, or for whom it is kept."""

    slot: int
    leased_by: str | None
    leased_until: str | None
    reserved_for: str | None
    for_adjudicator: bool


class Selection(TypedDict):
    """A round that selected the item: `why` says it in a sentence, with rank and score."""

    round: int
    strategy: str
    source: str
    rank: int
    score: float
    is_control: bool
    model_id: int | None
    suggestion: str | None
    suggestion_confidence: float | None
    state: str
    is_requeued: bool
    labels_wanted: int
    skip_reason: str | None
    skip_comment: str | None
    skipped_by: str | None
    selected_at: str | None
    resolved_at: str | None
    why: str
    slots: list[Slot]


GoldAnswer = TypedDict(
    "GoldAnswer",
    {
        "annotator": str,
        "class": str | None,
        "is_right": bool | None,
        "leased_until": str | None,
        "answered_at": str | None,
        "skipped_at": str | None,
    },
)
"""An annotator's answer to the item as gold; null while they hold it or where they skipped."""


Suspicion = TypedDict(
    "Suspicion",
    {
        "search": int,
        "rank": int,
        "class": str,
        "suggested": str,
        "suggested_probability": float,
        "label_probability": float,
        "suspicion": float,
        "reasons": list[str],
        "created_at": str,
    },
)
"""A search for label errors that takes the item's label for likely wrong."""


class ItemHistory(TypedDict):
    """An item and all that happened to it, each list oldest first (suspicions newest first)."""

    item: ListedItem
    set_aside_reason: str | None
    selections: list[Selection]
    labels: list[LabelHistory]
    flags: list[Flag]
    gold_answers: list[GoldAnswer]
    suspicions: list[Suspicion]
