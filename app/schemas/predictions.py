"""Requests and responses of predictions of given items."""

from pydantic import ConfigDict, Field, model_validator

from app.db.tables import ModelRole
from app.schemas.bodies import Request, Response
from app.services.predictions import MOST_ITEMS


class PredictItem(Request):
    """One item: a text, or an image file in base64; `id` comes back with its prediction."""

    id: str | None = Field(None, max_length=1000)
    text: str | None = None
    image: str | None = Field(None, description="In base64, or as a data: URL.")

    @model_validator(mode="after")
    def _has_one_content(self) -> "PredictItem":
        if (self.text is None) == (self.image is None):
            raise ValueError("give either text or image")
        return self


class PredictIn(Request):
    """1 to 100 items, and by which model."""

    items: list[PredictItem] = Field(min_length=1, max_length=MOST_ITEMS)
    model_id: int | None = Field(None, description="null: the newest proxy or target.")
    top: int = Field(1, ge=1, le=100, description="How many classes of each item.")

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"items": [{"id": "a", "text": "Works well."}], "top": 2}},
    )


class GuessOut(Response):
    """A class and its probability."""

    class_: str = Field(serialization_alias="class")
    confidence: float


class PredictedOut(Response):
    """The most probable class of one item and its probability, and the next ones in `top`.

    Null with a `code` and a `detail` where the item cannot be read; the others are answered.
    """

    id: str | None
    class_: str | None = Field(serialization_alias="class")
    confidence: float | None
    top: list[GuessOut]
    code: str | None
    detail: str | None


class PredictionsOut(Response):
    """Predictions in the order of the items, and the model that made them."""

    model_id: int
    role: ModelRole
    model_version: str | None = Field(description="The proxy's round, e.g. round-3.")
    predictions: list[PredictedOut]
