"""Answers about a project's costs."""

from typing import TypedDict

from svp_client.types.analyses import LabelsSaved


class Prices(TypedDict):
    """Prices per hour, of the settings SVP_ANNOTATOR_HOUR_PRICE and SVP_WORKER_HOUR_PRICE."""

    annotator_hour: float | None
    worker_hour: float | None
    currency: str


class AnnotatorCost(TypedDict):
    """Annotators' time on `n_labels` labels; `n_timed` of them came with their seconds."""

    n_labels: int
    n_timed: int
    minutes: float | None
    is_estimated: bool
    price: float | None


class WorkerCost(TypedDict):
    """Seconds of workers for one purpose, on the clock and of CPU cores."""

    purpose: str
    seconds: float
    cpu_seconds: float
    price: float | None


class TargetSelection(TypedDict):
    """What the same selections by the target would have cost."""

    n_rounds: int
    n_measured: int
    is_estimated: bool
    basis: str
    seconds: float
    proxy_seconds: float
    times: float | None
    price: float | None


class Costs(TypedDict):
    """The ledger of a project so far; prices are null where no price per hour is set."""

    prices: Prices
    annotators: AnnotatorCost
    workers: list[WorkerCost]
    total_price: float | None
    target_selection: TargetSelection | None
    labels_saved: LabelsSaved | None
    saved_price: float | None
