"""Requests that name items, and the outcome of each entry of a request."""

from pydantic import ConfigDict, Field

from app.schemas.bodies import Request, Response
from app.services.answers import AnswerStatus


class AnswerOutcome(Response):
    """The outcome of one entry; `code` and `detail` say why it was refused."""

    item_id: int
    status: AnswerStatus
    code: str | None = None
    detail: str | None = None


class AnswersOut(Response):
    """One outcome per entry, in the request's order."""

    results: list[AnswerOutcome]

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "results": [
                    {"item_id": 41, "status": "created", "code": None, "detail": None},
                    {
                        "item_id": 42,
                        "status": "refused",
                        "code": "leased_to_another",
                        "detail": "Item 42 is leased to another annotator.",
                    },
                ]
            }
        }
    )


class ItemsIn(Request):
    """1 to 1,000 items of the annotator."""

    item_ids: list[int] = Field(min_length=1, max_length=1000)

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"item_ids": [41]}})
