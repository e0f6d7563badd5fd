"""Quality of a model by class, on the evaluation split and on its round's control arm."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.db.queries import classes as class_queries
from app.db.tables import Model, Project
from app.domain.classification import (
    Cell,
    ClassMetrics,
    Interval,
    class_metrics,
    macro_f1,
    share_interval,
)


@dataclass(frozen=True)
class SplitMetrics:
    """A model on n items; `cells` are what is not zero of the confusion matrix."""

    n: int
    accuracy: Interval
    macro_f1: Interval
    classes: list[ClassMetrics]
    cells: Sequence[Cell]


@dataclass(frozen=True)
class ModelMetrics:
    """Quality of a model; None for a part that was not measured. `calibration` is as stored."""

    model: Model
    evaluation: SplitMetrics | None
    control: SplitMetrics | None
    calibration: dict[str, Any] | None


def read_model_metrics(session: Session, project: Project, model: Model) -> ModelMetrics:
    """Return the metrics of a project's model."""
    cells = [(label, predicted, n) for label, predicted, n in model.evaluation.get("confusion", [])]
    control: list[Cell] = []
    if model.round_number is not None:
        control = class_queries.control_cells(session, project.id, model.round_number)
    n_classes = len(project.classes)
    return ModelMetrics(
        model,
        _split_metrics(cells, n_classes),
        _split_metrics(control, n_classes),
        model.evaluation.get("calibration"),
    )


def _split_metrics(cells: Sequence[Cell], n_classes: int) -> SplitMetrics | None:
    n = sum(items for _, _, items in cells)
    n_right = sum(items for label, predicted, items in cells if label == predicted)
    accuracy, mean_f1 = share_interval(n_right, n), macro_f1(cells)
    if accuracy is None or mean_f1 is None:
        return None
    return SplitMetrics(n, accuracy, mean_f1, class_metrics(cells, n_classes), cells)
