"""A model's metrics as the API and pages show them."""

from typing import Any

from app.db.tables import ModelRole
from app.domain.classification import Interval, share_interval
from app.presenters.classes import present_interval
from app.schemas.measures import IntervalOut
from app.schemas.model_metrics import (
    CalibrationErrorOut,
    CalibrationOut,
    ClassMetricsOut,
    ConfusionOut,
    ModelMetricsOut,
    ReliabilityBinOut,
    SplitMetricsOut,
)
from app.services.model_metrics import ModelMetrics, SplitMetrics


def present_model_metrics(found: ModelMetrics, names: list[str]) -> ModelMetricsOut:
    """Return the metrics with the classes' names."""
    model = found.model
    return ModelMetricsOut(
        model_id=model.id,
        role=ModelRole(model.role),
        name=model.name,
        round=model.round_number,
        n_labeled=model.n_labeled,
        evaluation=_split(found.evaluation, names),
        control=_split(found.control, names),
        calibration=_calibration(found.calibration) if found.calibration else None,
    )


def _split(found: SplitMetrics | None, names: list[str]) -> SplitMetricsOut | None:
    if found is None:
        return None
    return SplitMetricsOut(
        n=found.n,
        accuracy=_interval(found.accuracy),
        macro_f1=_interval(found.macro_f1),
        classes=[
            ClassMetricsOut(
                class_=names[c.class_index],
                n=c.n,
                n_predicted=c.n_predicted,
                n_right=c.n_right,
                precision=present_interval(c.precision),
                recall=present_interval(c.recall),
                f1=present_interval(c.f1),
            )
            for c in found.classes
        ],
        confusion=[
            ConfusionOut(label=names[label], predicted=names[predicted], n=n)
            for label, predicted, n in found.cells
        ],
    )


def _calibration(stored: dict[str, Any]) -> CalibrationOut:
    return CalibrationOut(
        temperature=stored["temperature"],
        n_fitted=stored["n_fitted"],
        n_measured=stored["n_measured"],
        error=CalibrationErrorOut(**stored["error"]),
        error_scaled=CalibrationErrorOut(**stored["error_scaled"]),
        bins=[
            ReliabilityBinOut(
                low=b["low"],
                high=b["high"],
                confidence=b["confidence"],
                n=b["n"],
                accuracy=_interval(share_interval(b["n_right"], b["n"])),
            )
            for b in stored["bins"]
        ],
    )


def _interval(found: Interval | None) -> IntervalOut:
    shown = present_interval(found)
    assert shown is not None  # noqa: S101 - of at least one item
    return shown
