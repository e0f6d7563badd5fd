"""Requests and responses of flags."""

from datetime import datetime

from pydantic import ConfigDict, Field

from app.schemas.bodies import Comment, Request, Response


class FlagsIn(Request):
    """A comment on 1 to 1,000 items that the annotator was given."""

    item_ids: list[int] = Field(min_length=1, max_length=1000)
    comment: Comment

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"item_ids": [41], "comment": "shows two digits"}},
    )


class FlagOut(Response):
    """An annotator's comment on an item."""

    id: int
    item_id: int
    annotator: str
    comment: str
    created_at: datetime
    closed_at: datetime | None


class FlagPage(Response):
    """Flags, oldest first; `next_cursor` asks for the following page."""

    flags: list[FlagOut]
    next_cursor: int | None
