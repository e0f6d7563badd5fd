"""Responses of events."""

from datetime import datetime
from typing import Any

from app.domain.states import ProjectState
from app.schemas.bodies import Response


class EventOut(Response):
    """Something that happened."""

    id: int
    name: str
    facts: dict[str, Any]
    created_at: datetime


class EventPage(Response):
    """Events, oldest first; `next_cursor` asks for the following page."""

    events: list[EventOut]
    next_cursor: int | None


class ProjectCountsOut(Response):
    """How far a project is, as a stream of events tells it; counts are of items."""

    state: ProjectState
    n_pool: int
    n_labeled: int
    n_imported: int
    n_skipped: int
