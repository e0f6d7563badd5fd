"""Requests of annotation settings."""

from typing import Annotated

from pydantic import ConfigDict, Field

from app.domain.annotation import ConsensusMethod, GoldAction
from app.schemas.bodies import Name, Request

Share = Annotated[float, Field(ge=0, le=1)]


class AnnotationSpec(Request):
    """Annotation settings, beside labels_per_item."""

    overlap_fraction: Share = Field(
        1.0, description="Share of the items that get labels_per_item labels; the others get one."
    )
    consensus: ConsensusMethod = Field(
        ConsensusMethod.MAJORITY,
        description="majority; dawid_skene and crowdlab resolve anew before each training.",
    )
    min_agreement: Share = Field(0.0, description="Share of an item's labels that must agree.")
    max_labels_per_item: int | None = Field(
        None,
        ge=1,
        le=25,
        description="How far ties and low agreement add one more annotator.",
    )
    adjudicators: list[Name] = Field(
        default_factory=list,
        max_length=100,
        description="Annotators who decide what does not agree even then.",
    )
    gold_fraction: float = Field(
        0.0, ge=0, le=0.5, description="Share of handed-out items that are gold, expected."
    )
    gold_min_accuracy: Share | None = Field(
        None, description="Share of right gold below which an annotator is paused."
    )
    gold_min_answers: int = Field(5, ge=1, le=10_000, description="Gold answers before that.")
    gold_action: GoldAction = Field(
        GoldAction.FLAG,
        description="flag: a paused annotator's labels count no more; requeue: and those of items "
        "that only they labeled are withdrawn; keep: they are flagged and count.",
    )


class AnnotationChange(Request):
    """The settings to change; those left out stay."""

    labels_per_item: int | None = Field(None, ge=1, le=25)
    overlap_fraction: Share | None = None
    consensus: ConsensusMethod | None = None
    min_agreement: Share | None = None
    max_labels_per_item: int | None = Field(
        None, ge=1, le=25, description="null: no further than labels_per_item."
    )
    adjudicators: list[Name] | None = Field(None, max_length=100)
    gold_fraction: float | None = Field(None, ge=0, le=0.5)
    gold_min_accuracy: Share | None = Field(None, description="null: nobody is paused.")
    gold_min_answers: int | None = Field(None, ge=1, le=10_000)
    gold_action: GoldAction | None = None

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"labels_per_item": 3, "overlap_fraction": 0.2, "consensus": "majority"}
        },
    )
