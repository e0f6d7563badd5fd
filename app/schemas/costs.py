"""The response of a project's costs."""

from app.domain.costs import Basis
from app.schemas.bodies import Response
from app.schemas.labels_saved import LabelsSavedOut
from app.services.costs import Purpose


class PricesOut(Response):
    """Prices per hour, of the settings SVP_ANNOTATOR_HOUR_PRICE and SVP_WORKER_HOUR_PRICE."""

    annotator_hour: float | None
    worker_hour: float | None
    currency: str


class AnnotatorCostOut(Response):
    """Annotators' time on `n_labels` labels; `n_timed` of them came with their seconds.

    The others are counted by the mean of those; then the minutes are `is_estimated`.
    """

    n_labels: int
    n_timed: int
    minutes: float | None
    is_estimated: bool
    price: float | None


class WorkerCostOut(Response):
    """Seconds of workers for one purpose, on the clock and of CPU cores.

    `proxy`: training it and selecting by it, in every round.
    """

    purpose: Purpose
    seconds: float
    cpu_seconds: float
    price: float | None


class TargetSelectionOut(Response):
    """What the same selections by the target would have cost.

    Of the `n_rounds` that selected with a proxy the target was trained on as many labels in
    `n_measured`, by an audit or the target's job (`basis`). The others are estimated from its
    nearest training, in proportion to labels and items: then it is `is_estimated`. `times` is how
    many times the proxy's seconds that is.
    """

    n_rounds: int
    n_measured: int
    is_estimated: bool
    basis: Basis
    seconds: float
    proxy_seconds: float
    times: float | None
    price: float | None


class CostsOut(Response):
    """The ledger of a project so far; prices are null where no price per hour is set.

    `target_selection` is null before a round has selected with a proxy and a target was trained by
    an audit or at the end. `labels_saved` is the newest answered estimate, `saved_price` the
    annotators' time for the labels that it says were saved.
    """

    prices: PricesOut
    annotators: AnnotatorCostOut
    workers: list[WorkerCostOut]
    total_price: float | None
    target_selection: TargetSelectionOut | None
    labels_saved: LabelsSavedOut | None
    saved_price: float | None
