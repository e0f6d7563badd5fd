"""Responses of the estimate of saved labels."""

from app.schemas.bodies import Response
from app.schemas.jobs import MadeByJobOut


class CurvePartOut(Response):
    """Trainings on `n_labels` labels: the accuracy of each on the evaluation split."""

    n_labels: int
    accuracies: list[float]


class LabelsSavedResult(Response):
    """Number of labels that the strategy saved: `n_needed` uniform ones less the `n_labeled`.

    The `uniform` labels (first round, control arms) are trained on in parts; the law that fits them
    is continued to the `accuracy` that the model reaches on all labels at hand. The 95% intervals
    count the noise of the evaluation split and of trainings, and that the law's exponent is open.
    Null means more labels than the pool holds. `extrapolates_by` is how many times the labels
    measured on `n_needed` is: the more, the less to be trusted.
    """

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
    uniform: list[CurvePartOut]
    selected: CurvePartOut


class LabelsSavedOut(MadeByJobOut):
    """An estimate of the labels that the strategy saved against uniform selection."""

    result: LabelsSavedResult | None
