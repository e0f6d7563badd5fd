"""Answers about events."""

from typing import Any, TypedDict


class Event(TypedDict):
    """An event of a project."""

    id: int
    name: str
    facts: dict[str, Any]
    created_at: str
