"""Pages of models: the list, and one model's errors, confusions, calibration and facts."""

from dataclasses import dataclass

from fastapi import APIRouter, Response

from app.api.deps import ProjectDep, SessionDep
from app.db.queries import models
from app.domain.errors import NotFound
from app.pages.page import PageRoute, ReadPage
from app.presenters.model_metrics import present_model_metrics
from app.schemas.model_metrics import SplitMetricsOut
from app.schemas.models import ModelOut
from app.services.model_metrics import read_model_metrics

router = APIRouter(prefix="/projects/{project}", include_in_schema=False, route_class=PageRoute)
MOST_CLASSES = 30  # a larger matrix is shown as the list of its largest confusions
MOST_CONFUSIONS = 40


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: rows are classes, columns predictions; None where it is too large."""

    names: list[str]
    rows: list[list[int]]


@router.get("/models")
def list_models(page: ReadPage, session: SessionDep, project: ProjectDep) -> Response:
    """Show every model, newest first."""
    found = [ModelOut.model_validate(m) for m in models.list_all(session, project.id)]
    return page.render("models.html", project=project, models=found[::-1])


@router.get("/models/{model}")
def read_model(page: ReadPage, session: SessionDep, project: ProjectDep, model: int) -> Response:
    """Show how good one model is, and what it is."""
    found = models.get(session, project.id, model)
    if found is None:
        raise NotFound("model", model)
    metrics = present_model_metrics(read_model_metrics(session, project, found), project.classes)
    return page.render(
        "model.html",
        project=project,
        model=ModelOut.model_validate(found),
        metrics=metrics,
        matrix=matrix_of(metrics.evaluation, project.classes),
        confusions=_largest(metrics.evaluation),
        has_predictions=found.predictions_hash is not None,
    )


def matrix_of(found: SplitMetricsOut | None, names: list[str]) -> Matrix | None:
    """Return the confusion matrix of the evaluation split, if it is small enough to be shown."""
    if found is None or len(names) > MOST_CLASSES:
        return None
    place = {name: i for i, name in enumerate(names)}
    rows = [[0] * len(names) for _ in names]
    for cell in found.confusion:
        rows[place[cell.label]][place[cell.predicted]] = cell.n
    return Matrix(names, rows)


def _largest(found: SplitMetricsOut | None) -> list[tuple[str, str, int]]:
    """Return (class, prediction, items) of the most frequent confusions."""
    if found is None:
        return []
    wrong = [(c.label, c.predicted, c.n) for c in found.confusion if c.label != c.predicted]
    return sorted(wrong, key=lambda cell: -cell[2])[:MOST_CONFUSIONS]
