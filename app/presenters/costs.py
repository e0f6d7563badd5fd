"""The costs as the API and pages show them."""

from dataclasses import asdict

from app.config import Settings
from app.presenters.jobs import present_with_job
from app.schemas.costs import (
    AnnotatorCostOut,
    CostsOut,
    PricesOut,
    TargetSelectionOut,
    WorkerCostOut,
)
from app.schemas.labels_saved import LabelsSavedOut
from app.services.costs import Costs, TargetCost


def present_costs(found: Costs, settings: Settings) -> CostsOut:
    """Return the ledger with the prices that it counts by."""
    return CostsOut(
        prices=PricesOut(
            annotator_hour=settings.annotator_hour_price,
            worker_hour=settings.worker_hour_price,
            currency=settings.currency,
        ),
        annotators=AnnotatorCostOut.model_validate(found.annotators),
        workers=[WorkerCostOut.model_validate(cost) for cost in found.workers],
        total_price=found.total_price,
        target_selection=_target(found.target_selection),
        labels_saved=present_with_job(LabelsSavedOut, *found.saved) if found.saved else None,
        saved_price=found.saved_price,
    )


def _target(cost: TargetCost | None) -> TargetSelectionOut | None:
    if cost is None:
        return None
    selection = cost.selection
    return TargetSelectionOut(
        **asdict(selection),
        is_estimated=selection.n_measured < selection.n_rounds,
        times=selection.times,
        price=cost.price,
    )
