"""Requests of decisions."""

from pydantic import ConfigDict, Field

from app.schemas.bodies import Request


class DecisionIn(Request):
    """The class that an item has."""

    item_id: int
    class_: str = Field(alias="class")


class DecisionsIn(Request):
    """1 to 1,000 decisions."""

    decisions: list[DecisionIn] = Field(min_length=1, max_length=1000)

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"decisions": [{"item_id": 41, "class": "8"}]}},
    )
