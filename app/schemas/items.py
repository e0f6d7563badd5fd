"""Requests and responses of items."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, Json, StringConstraints, model_validator

from app.db.queries.item_filters import LabelingState
from app.db.tables import ConsensusSource, Split
from app.domain.item_metadata import FIELDS, meant_field
from app.schemas.bodies import Request, Response


class AnswerIn(Request):
    """The class that an annotator gave an item elsewhere."""

    annotator: str
    class_: str = Field(alias="class")


def _checked_answers(value: Any) -> Any:
    is_list = isinstance(value, list) and all(isinstance(each, dict) for each in value)
    if value is not None and not is_list:
        raise ValueError(
            'labels are a list of {"annotator": ..., "class": ...}; one class alone goes into class'
        )
    return value


Answers = Annotated[list[AnswerIn] | None, BeforeValidator(_checked_answers)]


class ItemLine(Request):
    """One line of an NDJSON import: exactly one of text and image_uri.

    Keys of the user's own are metadata; one that looks like a field's name is refused, by the
    first: pydantic would report each of a million.
    """

    external_id: Annotated[str, StringConstraints(min_length=1)]
    text: str | None = None
    image_uri: str | None = None
    split: Split = Split.POOL
    class_: str | None = Field(None, alias="class")
    labels: Answers = None
    metadata: dict[str, Any] | None = None

    model_config = ConfigDict(extra="allow")

    @property
    def all_metadata(self) -> dict[str, Any] | None:
        """The given metadata, and the keys of the user's own."""
        own = self.model_extra
        return {**(self.metadata or {}), **own} if own else self.metadata

    def _has(self, field: str) -> bool:
        """Return whether the line already says what a key like this may have been meant to say."""
        if field in ("class", "split"):
            return f"{field}_" in self.model_fields_set or field in self.model_fields_set
        is_content = field in ("text", "image_uri")
        return not is_content or self.text is not None or self.image_uri is not None

    @model_validator(mode="after")
    def _one_content(self) -> "ItemLine":
        for key in self.model_extra or ():
            field = meant_field(key)
            if field is not None and not self._has(field):
                raise ValueError(
                    f"there is no key {key[:100]!r}; did you mean {field}? A line may have "
                    f"{', '.join(FIELDS)}, labels, and keys of your own, which are metadata; "
                    f"one that is called {key[:100]!r} goes into metadata"
                )
        if (self.text is None) == (self.image_uri is None):
            raise ValueError("give exactly one of text and image_uri")
        return self


class UploadMetadata(Request):
    """Values for one uploaded file that replace the form's defaults."""

    external_id: str | None = None
    split: Split | None = None
    class_: str | None = Field(None, alias="class")
    labels: Answers = None
    metadata: dict[str, Any] | None = None


class UploadForm(Request):
    """The fields of an upload beside its files."""

    split: Split = Split.POOL
    class_: str | None = Field(None, alias="class")
    metadata: Json[dict[str, UploadMetadata]] = Field(default_factory=dict)


class LineError(Response):
    """The reason why one line (counted from 1) or file was refused."""

    line: int
    external_id: str | None
    code: str
    detail: str


def answers_of(answers: list[AnswerIn] | None) -> list[tuple[str, str]]:
    """Return (annotator, class name) of each answer."""
    return [(answer.annotator, answer.class_) for answer in answers or ()]


class ImportResult(Response):
    """The outcome of an import; good lines are kept whatever happened to the others."""

    n_created: int
    n_updated: int = Field(
        description="Known without a class, or without these answers, now with them."
    )
    n_known: int
    n_failed: int
    n_without_spaces: int = Field(
        0,
        description="Of the created texts, those in a script without spaces (Chinese, Japanese, "
        "Thai, ...): text models read its characters one by one.",
    )
    n_labels: int = Field(0, description="Answers by annotators that were stored.")
    errors: list[LineError] = Field(description="The first 1,000.")

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "n_created": 998,
                "n_updated": 0,
                "n_known": 1,
                "n_failed": 1,
                "n_without_spaces": 0,
                "n_labels": 0,
                "errors": [
                    {
                        "line": 7,
                        "external_id": "r-7",
                        "code": "text_empty",
                        "detail": "The text is empty; leave such items out.",
                    }
                ],
            }
        },
    )


class Content(Response):
    """Content for the annotator: a text, or an image's URL that a browser opens without a token."""

    text: str | None = None
    image_url: str | None = None


class ItemOut(Response):
    """An item; `class` is the class that it was imported with.

    A pool item that was imported with labels by annotators has none: its history shows them.
    """

    item_id: int
    external_id: str
    split: Split
    index: int
    content: Content
    class_: str | None = Field(None, alias="class", serialization_alias="class")
    metadata: dict[str, Any] = Field(description="What the import says of it beside the content.")
    erased_at: datetime | None = Field(None, description="Since when only its place is left.")

    model_config = ConfigDict(from_attributes=True, populate_by_name=True)


class AnnotatorItemOut(Response):
    """An item as annotators see it."""

    item_id: int
    external_id: str
    content: Content


class ListedItemOut(ItemOut):
    """An item with what is known of it.

    `label` is the class that it is trained with; for an evaluation item the imported one measures.
    `round` selected it, with this `score`, unless it was withdrawn since. `is_disputed`: two
    annotators gave it different classes. `gold_class` is null unless it is gold.
    """

    state: LabelingState
    label: str | None
    method: ConsensusSource | None
    agreement: float | None
    confidence: float | None
    n_labels: int
    round: int | None
    score: float | None
    suggestion: str | None
    gold_class: str | None
    is_control: bool
    is_flagged: bool
    is_disputed: bool


class ItemPage(Response):
    """Items in order of import; `next_cursor` asks for the following page."""

    items: list[ListedItemOut]
    next_cursor: int | None


class ItemCorrection(Request):
    """The content that an item gets in place of its own: a text, or where the image lies."""

    text: str | None = None
    image_uri: str | None = None

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"text": "good"}})

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.text is None) == (self.image_uri is None):
            raise ValueError("give either text or image_uri")
        return self


class ItemsToErase(Request):
    """The items to erase, of either split."""

    item_ids: list[int] = Field(min_length=1, max_length=1000)

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"item_ids": [41, 42]}})


class ErasedItems(Response):
    """How many of the items were erased; others are none of the project's, or were before."""

    n_erased: int
