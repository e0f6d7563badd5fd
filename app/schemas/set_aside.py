"""Requests and responses of items that are set aside."""

from datetime import datetime

from pydantic import ConfigDict, Field

from app.db.tables import Split
from app.schemas.bodies import Request, Response


class SetAsideOut(Response):
    """An item whose content could not be read, and why."""

    item_id: int
    external_id: str
    split: Split
    index: int
    image_uri: str | None
    reason: str
    set_aside_at: datetime


class SetAsidePage(Response):
    """Items set aside; `next_cursor` asks for the following page."""

    items: list[SetAsideOut]
    next_cursor: int | None


class RetryIn(Request):
    """The items to read again; without `item_ids` the first 1,000 that are set aside."""

    item_ids: list[int] | None = Field(None, min_length=1, max_length=1000)

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"item_ids": [41, 42]}})


class RetriedOut(Response):
    """Counts of items that could be read again, and of the project's items still set aside."""

    n_taken_back: int
    n_left: int
