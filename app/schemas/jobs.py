"""Responses of jobs."""

from datetime import datetime
from typing import Any

from pydantic import Field

from app.db.tables import JobKind
from app.domain.states import JobState
from app.schemas.bodies import Response


class JobOut(Response):
    """Work for a worker; `error` is why its last attempt ended. A lost worker costs no attempt."""

    id: int
    kind: JobKind
    state: JobState
    attempts: int
    max_attempts: int
    lost_workers: int
    progress: dict[str, Any]
    error: str | None
    place: int | None = Field(None, description="In its queue, 1 = next; null: it waits for none.")
    waits_for: str | None = Field(None, description="Of a queued job: why it has not begun.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobLogOut(Response):
    """The last lines that the process of a job's newest attempt has written, oldest first."""

    lines: list[str]


class JobPage(Response):
    """Jobs, newest first; `next_cursor` asks for the following page."""

    jobs: list[JobOut]
    next_cursor: int | None


class MadeByJobOut(Response):
    """Something that a job makes of the labels at hand: the job, those labels, its seconds."""

    id: int
    job_id: int
    state: JobState
    progress: dict[str, Any]
    error: str | None
    n_labeled: int | None
    label_version: int | None
    seconds: dict[str, float]
    cpu_seconds: dict[str, float]
    provenance: dict[str, Any]
    created_at: datetime
