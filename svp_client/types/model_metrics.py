"""Answers about how good a model is."""

from typing import TypedDict


class Interval(TypedDict):
    """A measured value with its 95% interval."""

    value: float
    low: float
    high: float


ClassMetrics = TypedDict(
    "ClassMetrics",
    {
        "class": str,
        "n": int,
        "n_predicted": int,
        "n_right": int,
        "precision": Interval | None,
        "recall": Interval | None,
        "f1": Interval | None,
    },
)
"""How well one class is told from the others."""


class Confusion(TypedDict):
    """So many items of one class are predicted as another, or rightly."""

    label: str
    predicted: str
    n: int


class SplitMetrics(TypedDict):
    """A model on `n` items."""

    n: int
    accuracy: Interval
    macro_f1: Interval
    classes: list[ClassMetrics]
    confusion: list[Confusion]


class CalibrationError(TypedDict):
    """The expected calibration error, and how much of it chance alone would show."""

    value: float
    low: float
    high: float
    by_chance: float


class ReliabilityBin(TypedDict):
    """Items whose confidence lies in `low` to `high`."""

    low: float
    high: float
    confidence: float
    n: int
    accuracy: Interval


class Calibration(TypedDict):
    """Calibration on half of the evaluation split, with a temperature fitted on the other half."""

    temperature: float
    n_fitted: int
    n_measured: int
    error: CalibrationError
    error_scaled: CalibrationError
    bins: list[ReliabilityBin]


class ModelMetrics(TypedDict):
    """Quality of a model on the evaluation split and on its round's control arm."""

    model_id: int
    role: str
    name: str
    round: int | None
    n_labeled: int
    evaluation: SplitMetrics | None
    control: SplitMetrics | None
    calibration: Calibration | None
