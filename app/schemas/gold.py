"""Requests and responses of gold items."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from app.schemas.bodies import Request, Response
from app.services.answers import AnswerStatus

ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00]*$")]


class GoldItemIn(Request):
    """A labeled pool item; `class` is its true class, by default the label that it has."""

    external_id: ExternalId
    class_: str | None = Field(None, alias="class")


class GoldIn(Request):
    """1 to 1,000 items to make gold."""

    items: list[GoldItemIn] = Field(min_length=1, max_length=1000)

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"items": [{"external_id": "digit-7", "class": "seven"}]}},
    )


class GoldRemoveIn(Request):
    """1 to 1,000 items to remove from the gold set."""

    external_ids: list[ExternalId] = Field(min_length=1, max_length=1000)


class GoldOutcomeOut(Response):
    """The outcome of one item; `code` and `detail` say why it was refused."""

    external_id: str
    status: AnswerStatus
    code: str | None = None
    detail: str | None = None


class GoldOutcomes(Response):
    """One outcome per item, in the request's order."""

    results: list[GoldOutcomeOut]


class GoldRemoved(Response):
    """The number of items that were gold."""

    n_removed: int


class GoldItemOut(Response):
    """A gold item and how often it was answered, and rightly: if never, its class may be wrong."""

    item_id: int
    external_id: str
    class_: str = Field(serialization_alias="class")
    n_answers: int
    n_right: int


class GoldPage(Response):
    """Gold items by id; `next_cursor` asks for the following page."""

    items: list[GoldItemOut]
    next_cursor: int | None
