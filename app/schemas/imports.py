"""Requests and responses of imports that a worker does."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, Json, StringConstraints, field_validator

from app.db.tables import Split
from app.domain.states import JobState
from app.imports.formats import NAMES
from app.imports.found import FIELDS
from app.schemas.bodies import Request, Response

FormatName = Literal[*NAMES]  # type: ignore[valid-type]
FieldName = Literal[*FIELDS]  # type: ignore[valid-type]
Short = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ImportOptions(Request):
    """How files are read; what is left out is found."""

    format: FormatName | None = None
    columns: dict[Short, FieldName] = Field(
        default_factory=dict, description='Column -> field, e.g. {"review": "text"}.'
    )
    encoding: Short | None = None
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = None
    annotators: dict[Short, Short] = Field(
        default_factory=dict,
        max_length=10_000,
        description='Name in the file -> name here, e.g. {"1": "ada"}.',
    )
    copies_images: bool = Field(
        default=False,
        description="Store the images that lie behind addresses, rather than read them from there.",
    )
    split: Split | None = Field(None, description="Of all items, whatever the files say.")
    evaluation_share: float = Field(
        0.0,
        ge=0,
        le=0.9,
        description="Share of the items with a class, and without a split, that measure the "
        "models: drawn by their external_id.",
    )


class ImportForm(Request):
    """The fields of an upload beside its files."""

    options: Json[ImportOptions] = Field(default_factory=ImportOptions)


class ImportsIn(ImportOptions):
    """Files or folders that the service reads by itself."""

    uris: list[Annotated[str, StringConstraints(min_length=1, max_length=2000)]] = Field(
        min_length=1,
        max_length=100,
        description="Paths or URLs below SVP_IMAGE_ROOTS, or http(s) URLs of SVP_IMAGE_HOSTS.",
    )

    @field_validator("uris")
    @classmethod
    def _each_once(cls, uris: list[str]) -> list[str]:
        if len(set(uris)) < len(uris):
            raise ValueError("an address is given twice; give each once")
        return uris

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"uris": ["s3://bucket/reviews.csv"], "split": "pool"}},
    )


class ImportOut(Response):
    """An import and its job; the counts grow while it runs."""

    id: int
    job_id: int
    state: JobState
    error: str | None
    name: str
    format: str | None = Field(description="That was found.")
    options: dict[str, Any]
    n_done: int = Field(description="Lines or files that were read and taken or refused.")
    n_created: int
    n_updated: int
    n_known: int
    n_failed: int = Field(description="Refused: `GET .../imports/{id}/errors` lists them.")
    n_labels: int = Field(description="Answers by annotators that were stored.")
    n_skips: int = Field(description="Answers that were skipped or rejected: they stay out.")
    created_at: datetime


class RefusedLineOut(Response):
    """The reason why one line became no item."""

    line: int
    external_id: str | None
    code: str
    detail: str
