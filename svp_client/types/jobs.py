"""Answers about jobs."""

from typing import Any, TypedDict


class Job(TypedDict):
    """Work for a worker; `error` is why its last attempt ended."""

    id: int
    kind: str
    state: str
    attempts: int
    max_attempts: int
    lost_workers: int
    progress: dict[str, Any]
    error: str | None
    place: int | None
    waits_for: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
