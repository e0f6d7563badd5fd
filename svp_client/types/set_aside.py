"""Answers about items that are set aside."""

from typing import TypedDict


class SetAside(TypedDict):
    """An item whose content could not be read, and why."""

    item_id: int
    external_id: str
    split: str
    index: int
    image_uri: str | None
    reason: str
    set_aside_at: str


class Retried(TypedDict):
    """Counts of items that could be read again, and of those still set aside."""

    n_taken_back: int
    n_left: int
