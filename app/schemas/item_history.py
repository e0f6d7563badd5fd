"""The response of an item's history."""

from datetime import datetime

from pydantic import Field

from app.db.tables import BatchSource
from app.domain.states import BatchItemState
from app.schemas.bodies import Response
from app.schemas.flags import FlagOut
from app.schemas.items import ListedItemOut
from app.schemas.labels import LabelHistoryOut


class SlotOut(Response):
    """A wanted answer: who holds it until when, or for whom it is kept."""

    slot: int
    leased_by: str | None
    leased_until: datetime | None
    reserved_for: str | None
    for_adjudicator: bool


class SelectionOut(Response):
    """A round that selected the item: `why` says it in a sentence, with rank and score.

    `slots` are the answers that it still waits for.
    """

    round: int
    strategy: str
    source: BatchSource
    rank: int
    score: float
    is_control: bool
    model_id: int | None
    suggestion: str | None
    suggestion_confidence: float | None
    state: BatchItemState
    is_requeued: bool
    labels_wanted: int
    skip_reason: str | None
    skip_comment: str | None
    skipped_by: str | None
    selected_at: datetime | None
    resolved_at: datetime | None
    why: str
    slots: list[SlotOut]


class GoldAnswerOut(Response):
    """An annotator's answer to the item as gold; null while they hold it or where they skipped."""

    annotator: str
    class_: str | None = Field(serialization_alias="class")
    is_right: bool | None
    leased_until: datetime | None
    answered_at: datetime | None
    skipped_at: datetime | None


class SuspicionOut(Response):
    """A search for label errors that takes the item's label for likely wrong."""

    search: int
    rank: int
    class_: str = Field(serialization_alias="class")
    suggested: str
    suggested_probability: float
    label_probability: float
    suspicion: float
    reasons: list[str]
    created_at: datetime


class ItemHistoryOut(Response):
    """An item and all that happened to it, each list oldest first (suspicions newest first)."""

    item: ListedItemOut
    set_aside_reason: str | None
    selections: list[SelectionOut]
    labels: list[LabelHistoryOut]
    flags: list[FlagOut]
    gold_answers: list[GoldAnswerOut]
    suspicions: list[SuspicionOut]
