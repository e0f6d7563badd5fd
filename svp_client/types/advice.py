"""Answers about the stopping advice."""

from typing import TypedDict

from svp_client.types.model_metrics import Interval


class Share(TypedDict):
    """A measured share of `n` items with its 95% interval (Wilson)."""

    accuracy: float
    low: float
    high: float
    n: int


class Stability(TypedDict):
    """Agreement of two proxies on `n` unlabeled items, a fixed uniform sample of the pool."""

    round: int
    n: int
    agreement: float
    kappa: float | None


class MeasuredRound(TypedDict):
    """Measurements of a round's proxy."""

    round: int
    model_id: int
    proxy: str
    n_labeled: int
    evaluation: Share | None
    control: Share | None
    stability: Stability | None


class Gain(TypedDict):
    """Expected rise of the proxy's accuracy from `n_from` to `n_to` labels."""

    n_from: int
    n_to: int
    expected: float
    low: float
    high: float
    mean_high: float


class AdvisedAudit(TypedDict):
    """The newest audit: how far the proxy's scores are those of the target."""

    id: int
    n_labeled: int
    correlation: Interval
    ceiling: Interval
    is_below: bool


class Advice(TypedDict):
    """Advice on whether to label more, the reasons, and the measurements."""

    advice: str
    reasons: list[str]
    expected_gain: Gain | None
    measured_on: str | None
    rounds: list[MeasuredRound]
    audit: AdvisedAudit | None
