"""Answers about flags."""

from typing import TypedDict


class Flag(TypedDict):
    """An annotator's comment on an item."""

    id: int
    item_id: int
    annotator: str
    comment: str
    created_at: str
    closed_at: str | None
