"""Answers about exports of labels that a job writes."""

from typing import Any, TypedDict


class LabelExport(TypedDict):
    """An export and its job; `progress` counts the labels written while it runs."""

    id: int
    job_id: int
    state: str
    progress: dict[str, Any]
    error: str | None
    format: str
    options: dict[str, Any]
    n_labels: int
    n_written: int | None
    size_bytes: int | None
    sha256: str | None
    url: str | None
    expires_at: str | None
    created_at: str
