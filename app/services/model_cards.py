"""Facts of a model's card."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.db.queries import classes, set_aside
from app.db.queries.classes import ClassCount
from app.db.tables import Model, Project
from app.services.model_metrics import ModelMetrics, read_model_metrics


@dataclass(frozen=True)
class ModelCard:
    """What a card tells: the model, its project, how good it is, and the labels of now."""

    model: Model
    project: Project
    metrics: ModelMetrics
    counts: Sequence[ClassCount]
    n_set_aside: int


def read_card(session: Session, project: Project, model: Model) -> ModelCard:
    """Return the facts of a model of the project."""
    return ModelCard(
        model,
        project,
        read_model_metrics(session, project, model),
        classes.counts_by_round(session, project.id),
        set_aside.n_of_project(session, project.id),
    )
