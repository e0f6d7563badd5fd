"""Answers about a project's connection to Label Studio."""

from typing import TypedDict


class LabelStudioConnection(TypedDict):
    """A connection without its token, and how its exchange does."""

    url: str
    project_there: int
    browser_origin: str
    public_url: str | None
    round_end: str
    has_webhook: bool
    begun_at: str | None
    synced_at: str | None
    failed_at: str | None
    n_failures: int
    error_code: str | None
    error: str | None
    n_tasks: int
    n_tasks_gone: int
    n_foreign_tasks: int
    n_waiting: int
    waiting: dict[str, int]
    created_at: str


class LabelStudioConnected(LabelStudioConnection):
    """A connection that was made or changed; `webhook_fault` says why no webhook wakes it."""

    title: str
    is_new: bool
    webhook_fault: str | None
