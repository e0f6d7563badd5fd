"""Responses of the stopping advice."""

from app.domain.stopping import Verdict
from app.schemas.bodies import Response
from app.schemas.measures import IntervalOut


class ShareOut(Response):
    """A measured share of `n` items with its 95% interval (Wilson)."""

    accuracy: float
    low: float
    high: float
    n: int


class StabilityOut(Response):
    """Agreement of two proxies on `n` unlabeled items, a fixed uniform sample of the pool.

    `kappa` is Cohen's; null where both always predict the same single class.
    """

    round: int
    n: int
    agreement: float
    kappa: float | None


class MeasuredRoundOut(Response):
    """Measurements of a round's proxy.

    `evaluation`: on the evaluation split. `control`: on the control arm of the round, a uniform
    sample of the pool, by predictions made before its labels were known. `stability`: against the
    proxy of the round before.
    """

    round: int
    model_id: int
    proxy: str
    n_labeled: int
    evaluation: ShareOut | None
    control: ShareOut | None
    stability: StabilityOut | None


class GainOut(Response):
    """Expected rise of the proxy's accuracy from `n_from` to `n_to` labels.

    By an inverse power law that is fitted to the measured accuracies. The 95% interval `low` to
    `high` is that of one training at each end; the mean over trainings rises by at most
    `mean_high`, with which `stop_when.gain` is compared.
    """

    n_from: int
    n_to: int
    expected: float
    low: float
    high: float
    mean_high: float


class AdvisedAuditOut(Response):
    """The newest audit: Spearman's correlation of the proxy's scores with the target's.

    `ceiling` is that of two trainings of the target; `is_below` says that the correlation is less
    than the project's `audit.min_correlation` was then.
    """

    id: int
    n_labeled: int
    correlation: IntervalOut
    ceiling: IntervalOut
    is_below: bool


class AdviceOut(Response):
    """Advice on whether to label more, the reasons, and the measurements.

    `expected_gain` is that of the next batch; it needs three rounds measured on the evaluation
    split, or else on the control arm: `measured_on` says which. It is null, too, while the error
    still falls faster than the law allows.
    """

    advice: Verdict
    reasons: list[str]
    expected_gain: GainOut | None
    measured_on: str | None
    rounds: list[MeasuredRoundOut]
    audit: AdvisedAuditOut | None
