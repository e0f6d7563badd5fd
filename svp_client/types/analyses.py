"""Answers about analyses."""

from typing import Any, TypedDict

from svp_client.types.model_metrics import Interval


class Analysis(TypedDict):
    """An analysis: its job, the labels it looked at, its seconds."""

    id: int
    job_id: int
    state: str
    progress: dict[str, Any]
    error: str | None
    n_labeled: int | None
    label_version: int | None
    seconds: dict[str, float]
    cpu_seconds: dict[str, float]
    provenance: dict[str, Any]
    created_at: str


class CurvePart(TypedDict):
    """Trainings on as many labels: the accuracy of each on the evaluation split."""

    n_labels: int
    accuracies: list[float]


class LabelsSavedResult(TypedDict):
    """Number of labels that the strategy saved, with 95% intervals; null means beyond the pool."""

    n_labeled: int
    n_uniform_labels: int
    accuracy: float
    low: float
    high: float
    n_needed: float | None
    n_needed_low: float | None
    n_needed_high: float | None
    saved: float | None
    saved_low: float | None
    saved_high: float | None
    extrapolates_by: float | None
    uniform: list[CurvePart]
    selected: CurvePart


class LabelsSaved(Analysis):
    """An estimate of the labels that the strategy saved; `result` once it succeeded."""

    result: LabelsSavedResult | None


class TrainingCost(TypedDict):
    """Seconds of a training and of scoring the sample."""

    train_seconds: float
    train_cpu_seconds: float
    score_seconds: float


class ModelAgreement(TrainingCost):
    """Agreement of a model with the target on the order of the sample, and its cost."""

    name: str
    correlation: Interval
    overlap: Interval
    gap: Interval


class Comparison(TypedDict):
    """Models beside the target, on a uniform sample of the unlabeled items."""

    strategy: str
    n_sample: int
    n_pool: int
    n_top: int
    ceiling: Interval
    ceiling_overlap: Interval
    targets: list[TrainingCost]
    models: list[ModelAgreement]


class Audit(Analysis):
    """An audit: the project's proxy beside its target, both trained on the labels at hand."""

    options: dict[str, Any]
    result: Comparison | None


class LabelErrorsResult(TypedDict):
    """Number of labels that were checked, and of those that are expected to be wrong."""

    n_checked: int
    n_expected: int
    n_listed: int
    by_reason: dict[str, int]


class LabelErrors(Analysis):
    """A search for labels that are likely wrong; `result` once it succeeded."""

    options: dict[str, Any]
    result: LabelErrorsResult | None


SuspectedLabel = TypedDict(
    "SuspectedLabel",
    {
        "rank": int,
        "item_id": int,
        "external_id": str,
        "index": int,
        "class": str,
        "suggested": str,
        "suggested_probability": float,
        "label_probability": float,
        "suspicion": float,
        "reasons": list[str],
        "class_now": str | None,
    },
)
"""A label that is likely wrong, why, and the item's label of today."""


class ProxyAdviceResult(TypedDict):
    """Which proxy to take; `recommended` is null where none reaches the ceiling."""

    comparison: Comparison
    selection_seconds: dict[str, float]
    reaching: list[str]
    recommended: str | None
    not_tried: list[str]


class ProxyAdvice(Analysis):
    """Advice on the proxy; `result` once it succeeded."""

    options: dict[str, Any]
    result: ProxyAdviceResult | None


class MapResult(TypedDict):
    """A drawn map: by which model's features, of how many items of the pool."""

    model_id: int | None
    n: int
    n_pool: int
    explained: list[float]


class MapPoints(TypedDict):
    """Points in columns: place i of each list is one item's."""

    item_id: list[int]
    x: list[float]
    y: list[float]
    class_index: list[int | None]
    state: list[str]
    round: list[int | None]
    score: list[float | None]


class Map(Analysis):
    """The newest map that was asked for; `result` and `points` of the newest that is drawn."""

    result: MapResult | None
    points: MapPoints | None
