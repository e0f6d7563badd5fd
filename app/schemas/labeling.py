"""Requests and responses of next-batch, labels and skips."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from app.db.tables import BatchSource, ConsensusSource, LabelSource, SkipReason
from app.domain.states import ProjectState
from app.schemas.bodies import Name, Request, Response
from app.schemas.items import Content
from app.services.answers import AnswerStatus
from app.services.leases import WaitingFor

Comment = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=1000, pattern=r"^[^\x00]*$"),
]


class Suggestion(Response):
    """The proxy's most probable class; confidence is its probability."""

    class_: str = Field(serialization_alias="class")
    confidence: float


class BatchItemOut(Response):
    """An item leased to the annotator until `leased_until`.

    A project with gold or a control arm shows null for all that follows from the ranking:
    suggestion, rank, source, model_version and labels_behind.
    """

    item_id: int
    external_id: str
    content: Content
    suggestion: Suggestion | None = None
    rank: int | None = Field(None, description="Place in the round's ranking, 0 = best.")
    source: BatchSource | None = None
    model_version: str | None = Field(None, description="The proxy that ranked it, e.g. round-3.")
    labels_behind: int | None = Field(None, description="Labels resolved since the ranking.")
    leased_until: datetime | None


class NextBatchOut(Response):
    """Items to label now; an empty list comes with the state and a Retry-After header."""

    state: ProjectState
    round: int | None = Field(description="null where a project has gold or a control arm.")
    items: list[BatchItemOut]
    waiting_for: WaitingFor | None = Field(
        None,
        description="Why nothing came: `others` hold what is left (their leases end), `selection` "
        "is under way, an admin must `retry` a failed round, those whom a tool acts for hold as "
        "many `leases` as its token may, or the pool is used up (`pool_used_up`): every item was "
        "skipped or cannot be read, and an admin imports more, retries those set aside, or "
        "finishes.",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "state": "running",
                "round": 2,
                "items": [
                    {
                        "item_id": 41,
                        "external_id": "digit-0041",
                        "content": {
                            "text": None,
                            "image_url": "/api/v1/projects/1/items/41/image"
                            "?expires=1764500000&signature=0f3c",
                        },
                        "suggestion": {"class": "8", "confidence": 0.41},
                        "rank": 0,
                        "source": "batch",
                        "model_version": "round-2",
                        "labels_behind": 0,
                        "leased_until": "2026-11-24T10:10:00Z",
                    }
                ],
            }
        }
    )


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


class SkipsIn(Request):
    """1 to 1,000 items that cannot be labeled, and why."""

    item_ids: list[int] = Field(min_length=1, max_length=1000)
    reason: SkipReason
    comment: Comment | None = None

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"item_ids": [41], "reason": "unreadable", "comment": "blurred"}
        },
    )


class FlagsIn(Request):
    """A remark on 1 to 1,000 items that the annotator was given."""

    item_ids: list[int] = Field(min_length=1, max_length=1000)
    comment: Comment

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"item_ids": [41], "comment": "shows two digits"}},
    )


class ReassignIn(Request):
    """1 to 1,000 open items for one annotator; null hands them to everybody again."""

    item_ids: list[int] = Field(min_length=1, max_length=1000)
    annotator: Name | None

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"item_ids": [41], "annotator": "ada"}}
    )


class FlagOut(Response):
    """A remark on an item."""

    id: int
    item_id: int
    annotator: str
    comment: str
    created_at: datetime
    closed_at: datetime | None


class FlagPage(Response):
    """Remarks, oldest first; `next_cursor` asks for the following page."""

    flags: list[FlagOut]
    next_cursor: int | None


class ItemsIn(Request):
    """1 to 1,000 items of the annotator."""

    item_ids: list[int] = Field(min_length=1, max_length=1000)

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"item_ids": [41]}})


class LeasesIn(Request):
    """Which of the annotator's leases; without `item_ids` all of them."""

    item_ids: list[int] | None = Field(None, min_length=1, max_length=1000)

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"item_ids": [41, 42]}})


class LeaseOut(Response):
    """A live lease of the annotator."""

    item_id: int
    leased_until: datetime


class LeasesOut(Response):
    """The annotator's leases that live on, best rank first."""

    leases: list[LeaseOut]

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"leases": [{"item_id": 41, "leased_until": "2026-11-24T10:20:00Z"}]}
        }
    )


class GivenLabel(Response):
    """One annotator's label of an item."""

    annotator: str
    class_: str = Field(serialization_alias="class")
    is_flagged: bool = Field(description="Its annotator was paused, e.g. for failing on gold.")
    is_excluded: bool = Field(description="It does not count: its annotator failed on gold.")
    is_adjudication: bool


class ExportedLabelOut(Response):
    """One resolved label of an export."""

    item_id: int
    external_id: str
    index: int
    class_: str = Field(serialization_alias="class")
    source: LabelSource
    round: int | None
    is_control: bool = Field(description="Drawn uniformly: part of an unbiased sample.")
    method: ConsensusSource = Field(description="What the class rests on.")
    agreement: float = Field(description="Share of the labels of the most frequent class.")
    confidence: float | None = Field(description="Of the class, by Dawid-Skene or CROWDLAB.")
    labels: list[GivenLabel] = Field(description="Of each annotator, in order of giving.")
    flags: list[str] = Field(description="Comments of the open flags.")
    resolved_at: datetime


class LabelHistoryOut(GivenLabel):
    """One annotator's label of an item, with the classes it had before; withdrawn ones too."""

    item_id: int
    created_at: datetime
    revised_at: datetime | None
    withdrawn_at: datetime | None
    earlier_classes: list[str]
