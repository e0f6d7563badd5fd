"""Answers about imports that the service does by itself."""

from typing import Any, TypedDict


class Import(TypedDict):
    """An import and its job; the counts grow while it runs."""

    id: int
    job_id: int
    state: str
    error: str | None
    name: str
    format: str | None
    options: dict[str, Any]
    n_done: int
    n_created: int
    n_updated: int
    n_known: int
    n_failed: int
    n_labels: int
    n_skips: int
    created_at: str


class RefusedLine(TypedDict):
    """The reason why one line became no item."""

    line: int
    external_id: str | None
    code: str
    detail: str
