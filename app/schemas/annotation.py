"""Requests and responses of annotation's settings, of gold, and of agreement."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from app.domain.annotation import ConsensusMethod, GoldAction
from app.schemas.bodies import Name, Request, Response
from app.services.answers import AnswerStatus

Share = Annotated[float, Field(ge=0, le=1)]
ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00]*$")]


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


class GoldItemIn(Request):
    """A labeled pool item; `class` is what is right, by default the label it has."""

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
    """1 to 1,000 items to make gold no more."""

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
    """How many of the items were gold."""

    n_removed: int


class GoldItemOut(Response):
    """A gold item and how often it was answered, and rightly: one nobody gets right is wrong."""

    item_id: int
    external_id: str
    class_: str = Field(serialization_alias="class")
    n_answers: int
    n_right: int


class GoldPage(Response):
    """Gold items by id; `next_cursor` asks for the following page."""

    items: list[GoldItemOut]
    next_cursor: int | None


class PauseIn(Request):
    """Why an annotator is paused; they read it."""

    reason: Annotated[
        str,
        StringConstraints(
            strip_whitespace=True, min_length=1, max_length=1000, pattern=r"^[^\x00]*$"
        ),
    ]
    excludes_labels: bool = Field(
        default=False, description="Their labels count no more, as after failed gold."
    )


class SharedAgreementOut(Response):
    """Agreement on items with at least two labels; null where it says nothing."""

    n_items: int
    n_labels: int
    krippendorff_alpha: float | None
    fleiss_kappa: float | None


class RoundAgreementOut(SharedAgreementOut):
    """The same of one round's items."""

    round: int = Field(validation_alias="round_number")


class PairAgreementOut(Response):
    """Cohen's kappa of two annotators on the items that both labeled."""

    first: str
    second: str
    n_items: int
    cohen_kappa: float | None


class AnnotatorAgreementOut(Response):
    """Mean kappa with the others, weighed by shared items; share that agrees with the consensus.

    Only items that others labeled too are counted.
    """

    name: str
    n_shared: int
    cohen_kappa: float | None
    n_resolved: int
    with_consensus: float | None


class AgreementOut(Response):
    """Agreement of the labels that stand: of the project, by round, annotator and pair."""

    project: SharedAgreementOut
    rounds: list[RoundAgreementOut]
    annotators: list[AnnotatorAgreementOut]
    pairs: list[PairAgreementOut]
