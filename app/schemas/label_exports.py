"""Responses of exports of labels that a job writes."""

from datetime import datetime
from typing import Any

from pydantic import Field

from app.domain.states import JobState
from app.exports.formats import ExportFormat
from app.schemas.bodies import Response


class LabelExportOut(Response):
    """An export and its job; `progress` counts the labels written while it runs."""

    id: int
    job_id: int
    state: JobState
    progress: dict[str, Any]
    error: str | None
    format: ExportFormat
    options: dict[str, Any] = Field(description="The filter, and what else was asked for.")
    n_labels: int = Field(description="That the filter left when it was asked for.")
    n_written: int | None = Field(description="In the file; null until there is one.")
    size_bytes: int | None
    sha256: str | None = Field(description="Of the file; null: there is none, or no more.")
    url: str | None = Field(description="Of the file, below the address of the service.")
    expires_at: datetime | None = Field(description="When the file is removed, or was.")
    created_at: datetime
