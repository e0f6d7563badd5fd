"""Answers about agreement."""

from typing import TypedDict


class SharedAgreement(TypedDict):
    """Agreement on items with at least two labels; null where it says nothing."""

    n_items: int
    n_labels: int
    krippendorff_alpha: float | None
    fleiss_kappa: float | None


class RoundAgreement(TypedDict):
    """Agreement on one round's items."""

    n_items: int
    n_labels: int
    krippendorff_alpha: float | None
    fleiss_kappa: float | None
    round: int


class AnnotatorAgreement(TypedDict):
    """One annotator's mean kappa with the others and share of agreement with the consensus."""

    name: str
    n_shared: int
    cohen_kappa: float | None
    n_resolved: int
    with_consensus: float | None


class PairAgreement(TypedDict):
    """Cohen's kappa of two annotators on the items that both labeled."""

    first: str
    second: str
    n_items: int
    cohen_kappa: float | None


class Agreement(TypedDict):
    """Agreement of the labels: of the project, by round, annotator and pair."""

    counted_at: str
    project: SharedAgreement
    rounds: list[RoundAgreement]
    annotators: list[AnnotatorAgreement]
    pairs: list[PairAgreement]
