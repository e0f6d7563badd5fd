"""Responses of agreement."""

from datetime import datetime

from pydantic import Field

from app.schemas.bodies import Response


class SharedAgreementOut(Response):
    """Agreement on items with at least two labels; null where it is not defined."""

    n_items: int
    n_labels: int
    krippendorff_alpha: float | None
    fleiss_kappa: float | None


class RoundAgreementOut(SharedAgreementOut):
    """Agreement on one round's items."""

    round: int = Field(validation_alias="round_number")


class PairAgreementOut(Response):
    """Cohen's kappa of two annotators on the items that both labeled."""

    first: str
    second: str
    n_items: int
    cohen_kappa: float | None


class AnnotatorAgreementOut(Response):
    """Mean kappa with the others, weighted by shared items; share that agrees with the consensus.

    Only items that others labeled too are counted.
    """

    name: str
    n_shared: int
    cohen_kappa: float | None
    n_resolved: int
    with_consensus: float | None


class AgreementOut(Response):
    """Agreement of the labels that stood at `counted_at`: by round, annotator and pair."""

    counted_at: datetime
    project: SharedAgreementOut
    rounds: list[RoundAgreementOut]
    annotators: list[AnnotatorAgreementOut]
    pairs: list[PairAgreementOut]
