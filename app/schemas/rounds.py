"""Responses of rounds."""

from datetime import datetime
from typing import Any

from app.db.tables import BatchSource
from app.domain.states import BatchItemState, RoundState
from app.schemas.bodies import Response


class RoundOut(Response):
    """One train-select-label cycle; `seconds` by part, device-synchronised.

    `cpu_seconds` are those that CPU cores computed for each part.

    `settings` holds what it is run with: proxy, selection options and trigger, as they were when it
    was created. `selection` holds what decided the ranking: seed, options, hashes of model, pool
    snapshot and brought features, and what the candidate pool did.
    """

    number: int
    state: RoundState
    strategy: str
    budget: int
    n_labeled: int | None
    model_id: int | None
    seconds: dict[str, float]
    cpu_seconds: dict[str, float]
    settings: dict[str, Any]
    selection: dict[str, Any]
    created_at: datetime
    labeling_at: datetime | None
    completed_at: datetime | None


class SelectedItem(Response):
    """An item that a round selected: its place, its score (higher = sooner) and its state."""

    item_id: int
    external_id: str
    index: int
    rank: int
    source: BatchSource
    score: float
    is_control: bool
    state: BatchItemState


class SelectedPage(Response):
    """Items by rank; `next_cursor` asks for the following page."""

    items: list[SelectedItem]
    next_cursor: int | None
