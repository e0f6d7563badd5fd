"""Requests of skips."""

from pydantic import ConfigDict, Field

from app.db.tables import SkipReason
from app.schemas.bodies import Comment, Request


class SkipsIn(Request):
    """1 to 1,000 items that cannot be labeled, and why."""

    item_ids: list[int] = Field(min_length=1, max_length=1000)
    reason: SkipReason
    comment: Comment | None = None

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"item_ids": [41], "reason": "unreadable", "comment": "blurred"}
        },
    )
