"""Requests and responses of next-batch, labels and skips."""

from datetime import datetime

from pydantic import ConfigDict, Field

from app.db.tables import BatchSource, LabelSource
from app.domain.states import ProjectState
from app.schemas.common import Request, Response
from app.schemas.items import Content
from app.services.labeling import LabelStatus, SkipStatus


class Suggestion(Response):
    """The proxy's most probable class; confidence is its probability."""

    class_: str = Field(serialization_alias="class")
    confidence: float


class BatchItemOut(Response):
    """An item leased to the annotator until `leased_until`."""

    item_id: int
    external_id: str
    content: Content
    suggestion: Suggestion | None
    rank: int = Field(description="Place in the round's ranking, 0 = best.")
    source: BatchSource
    model_version: str | None = Field(description="The proxy that ranked it, e.g. round-3.")
    labels_behind: int = Field(description="Labels resolved since the ranking.")
    leased_until: datetime | None


class NextBatchOut(Response):
    """Items to label now; an empty list comes with the state and a Retry-After header."""

    state: ProjectState
    round: int | None
    items: list[BatchItemOut]

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "state": "running",
                "round": 2,
                "items": [
                    {
                        "item_id": 41,
                        "external_id": "digit-0041",
                        "content": {"text": None, "image_url": "/api/v1/projects/1/items/41/image"},
                        "suggestion": {"class": "8", "confidence": 0.41},
                        "rank": 0,
                        "source": "batch",
                        "model_version": "round-2",
                        "labels_behind": 0,
                        "leased_until": "2026-11-24T10:10:00Z",
                    }
                ],
            }
        }
    )


class LabelIn(Request):
    """One label; `seconds` is how long the annotator took."""

    item_id: int
    class_: str = Field(alias="class")
    seconds: float | None = Field(None, ge=0, le=86_400)


class LabelsIn(Request):
    """1 to 1,000 labels."""

    labels: list[LabelIn] = Field(min_length=1, max_length=1000)

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"labels": [{"item_id": 41, "class": "8", "seconds": 1.4}]}},
    )


class LabelOutcome(Response):
    """What became of one label."""

    item_id: int
    status: LabelStatus
    code: str | None = None
    detail: str | None = None


class LabelsOut(Response):
    """One outcome per label, in the request's order."""

    results: list[LabelOutcome]


class SkipsIn(Request):
    """1 to 1,000 items that cannot be labeled, and why."""

    item_ids: list[int] = Field(min_length=1, max_length=1000)
    reason: str = Field(min_length=1, max_length=1000)

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"item_ids": [41], "reason": "unreadable"}}
    )


class SkipOutcome(Response):
    """What became of one skip."""

    item_id: int
    status: SkipStatus
    code: str | None = None
    detail: str | None = None


class SkipsOut(Response):
    """One outcome per item, in the request's order."""

    results: list[SkipOutcome]


class ExportedLabelOut(Response):
    """One resolved label of an export."""

    item_id: int
    external_id: str
    index: int
    class_: str = Field(serialization_alias="class")
    source: LabelSource
    round: int | None
    resolved_at: datetime
