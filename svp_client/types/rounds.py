"""Answers about rounds."""

from typing import Any, TypedDict


class Round(TypedDict):
    """One train-select-label cycle; `seconds` by part, device-synchronised."""

    number: int
    state: str
    strategy: str
    budget: int
    n_labeled: int | None
    model_id: int | None
    seconds: dict[str, float]
    cpu_seconds: dict[str, float]
    settings: dict[str, Any]
    selection: dict[str, Any]
    created_at: str
    labeling_at: str | None
    completed_at: str | None


class SelectedItem(TypedDict):
    """An item that a round selected: its place, its score (higher = sooner) and its state."""

    item_id: int
    external_id: str
    index: int
    rank: int
    source: str
    score: float
    is_control: bool
    state: str
