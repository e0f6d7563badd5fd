"""Requests to reassign items."""

from pydantic import ConfigDict, Field

from app.domain.names import Name
from app.schemas.bodies import Request


class ReassignIn(Request):
    """1 to 1,000 open items for one annotator; null hands them to everybody again."""

    item_ids: list[int] = Field(min_length=1, max_length=1000)
    annotator: Name | None

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"item_ids": [41], "annotator": "ada"}}
    )
