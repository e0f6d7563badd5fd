"""Requests and responses of labels."""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from app.db.tables import ConsensusSource, LabelSource, Split
from app.schemas.bodies import Request, Response


class LabelIn(Request):
    """One label; `seconds` is how long the annotator took."""

    item_id: int
    class_: str = Field(alias="class")
    seconds: float | None = Field(None, ge=0, le=86_400)


class LabelsIn(Request):
    """1 to 1,000 labels."""

    labels: list[LabelIn] = Field(min_length=1, max_length=1000)

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"labels": [{"item_id": 41, "class": "8", "seconds": 1.4}]}},
    )


class GivenLabel(Response):
    """One annotator's label of an item."""

    annotator: str
    class_: str = Field(serialization_alias="class")
    is_flagged: bool = Field(description="Its annotator was paused, e.g. for failing on gold.")
    is_excluded: bool = Field(description="It does not count: its annotator failed on gold.")
    is_adjudication: bool
    is_imported: bool = Field(description="It came with an import, rather than was given here.")


class ExportedLabelOut(Response):
    """One resolved label of an export."""

    item_id: int
    external_id: str
    split: Split
    index: int
    class_: str = Field(serialization_alias="class")
    source: LabelSource
    round: int | None
    is_control: bool = Field(description="Drawn uniformly: part of an unbiased sample.")
    method: ConsensusSource = Field(description="The way in which the class was decided.")
    agreement: float = Field(description="Share of the labels of the most frequent class.")
    confidence: float | None = Field(
        description="Confidence in the class, by Dawid-Skene or CROWDLAB."
    )
    labels: list[GivenLabel] = Field(description="Each annotator's label, oldest first.")
    flags: list[str] = Field(description="Comments of the open flags.")
    resolved_at: datetime
    metadata: dict[str, Any] = Field(description="What the import says of the item.")
    text: str | None = Field(description="null for an image, whose name is the external_id.")
    image_uri: str | None = Field(description="Where the image lies; null: in the service.")


class LabelHistoryOut(GivenLabel):
    """One annotator's label of an item, with the classes it had before; withdrawn ones too."""

    item_id: int
    created_at: datetime
    revised_at: datetime | None
    withdrawn_at: datetime | None
    earlier_classes: list[str]
