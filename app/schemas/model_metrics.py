"""Responses that say how good a model is, class by class."""

from pydantic import Field

from app.db.tables import ModelRole
from app.schemas.bodies import Response
from app.schemas.measures import IntervalOut


class ClassMetricsOut(Response):
    """Measures of how well one class is told from the others, with 95% intervals.

    Null where nothing is of the class, or nothing was predicted as it. Intervals are Wilson's; that
    of F1 is Wilson's of the share of items, of those that are of the class or predicted as it, that
    are both.
    """

    class_: str = Field(serialization_alias="class")
    n: int
    n_predicted: int
    n_right: int
    precision: IntervalOut | None
    recall: IntervalOut | None
    f1: IntervalOut | None


class ConfusionOut(Response):
    """So many items of class `label` are predicted as class `predicted`."""

    label: str
    predicted: str
    n: int


class SplitMetricsOut(Response):
    """A model on `n` items: accuracy, mean F1 of the classes (bootstrap interval), each class.

    `confusion` lists what is not zero of the confusion matrix.
    """

    n: int
    accuracy: IntervalOut
    macro_f1: IntervalOut
    classes: list[ClassMetricsOut]
    confusion: list[ConfusionOut]


class CalibrationErrorOut(Response):
    """The expected calibration error over 15 bins, with a bootstrap interval.

    A perfectly calibrated model, as sure as this one, shows more than `by_chance` on as many items
    in one of 20 cases only.
    """

    value: float
    low: float
    high: float
    by_chance: float


class ReliabilityBinOut(Response):
    """Items whose confidence lies in `low` to `high`: the mean of it, and how many are right."""

    low: float
    high: float
    confidence: float
    n: int
    accuracy: IntervalOut


class CalibrationOut(Response):
    """Calibration on one half of the evaluation split (`n_measured` items).

    `temperature` divides the logits; it is fitted on the other half (`n_fitted`), `error_scaled` is
    the error with it. Scores use the probabilities as they are.
    """

    temperature: float
    n_fitted: int
    n_measured: int
    error: CalibrationErrorOut
    error_scaled: CalibrationErrorOut
    bins: list[ReliabilityBinOut]


class ModelMetricsOut(Response):
    """Quality of a model on the evaluation split and, for a proxy, on its round's control arm.

    The control arm is a uniform sample of the pool, predicted before its labels were known; its
    labels are those of now. `calibration` is null where the evaluation split is too small. Models
    from before these were measured have none.
    """

    model_id: int
    role: ModelRole
    name: str
    round: int | None
    n_labeled: int
    evaluation: SplitMetricsOut | None
    control: SplitMetricsOut | None
    calibration: CalibrationOut | None
