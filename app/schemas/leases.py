"""Requests and responses of next-batch and leases."""

from datetime import datetime

from pydantic import ConfigDict, Field

from app.db.tables import BatchSource
from app.domain.states import ProjectState
from app.schemas.bodies import Request, Response
from app.schemas.items import Content
from app.services.leases import WaitingFor


class Suggestion(Response):
    """The proxy's most probable class; confidence is its probability."""

    class_: str = Field(serialization_alias="class")
    confidence: float


class BatchItemOut(Response):
    """An item leased to the annotator until `leased_until`.

    A project with gold or a control arm shows null for all that follows from the ranking:
    suggestion, rank, source, model_version and labels_behind.
    """

    item_id: int
    external_id: str
    content: Content
    suggestion: Suggestion | None = None
    rank: int | None = Field(None, description="Place in the round's ranking, 0 = best.")
    source: BatchSource | None = None
    model_version: str | None = Field(None, description="The proxy that ranked it, e.g. round-3.")
    labels_behind: int | None = Field(None, description="Labels resolved since the ranking.")
    leased_until: datetime | None


class NextBatchOut(Response):
    """Items to label now; an empty list comes with the state and a Retry-After header."""

    state: ProjectState
    round: int | None = Field(description="null where a project has gold or a control arm.")
    items: list[BatchItemOut]
    waiting_for: WaitingFor | None = Field(
        None,
        description="Why nothing came: `others` hold what is left (their leases end), `selection` "
        "is under way, an admin must `retry` a failed round, those whom a tool acts for hold as "
        "many `leases` as its token may, or the pool is used up (`pool_used_up`): every item was "
        "skipped or cannot be read, and an admin imports more, retries those set aside, or "
        "finishes.",
    )
    ready_in_seconds: float | None = Field(
        None,
        description="When the selection that is under way ends, if it takes as long as the last.",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "state": "running",
                "round": 2,
                "items": [
                    {
                        "item_id": 41,
                        "external_id": "digit-0041",
                        "content": {
                            "text": None,
                            "image_url": "/api/v1/projects/1/items/41/image"
                            "?expires=1764500000&signature=0f3c",
                        },
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


class LeasesIn(Request):
    """The annotator's leases to change; without `item_ids` all of them."""

    item_ids: list[int] | None = Field(None, min_length=1, max_length=1000)

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"item_ids": [41, 42]}})


class LeaseOut(Response):
    """A live lease of the annotator."""

    item_id: int
    leased_until: datetime


class LeasesOut(Response):
    """The annotator's remaining leases, best rank first."""

    leases: list[LeaseOut]

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"leases": [{"item_id": 41, "leased_until": "2026-11-24T10:20:00Z"}]}
        }
    )
