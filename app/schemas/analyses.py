"""Responses that all analyses share."""

from datetime import datetime
from typing import Any

from app.domain.states import JobState
from app.schemas.bodies import Response


class AnalysisOut(Response):
    """An analysis: its job, the labels it looked at, its seconds; answered once it `succeeded`."""

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
