"""Predictions of a model for the whole pool: asked for, made by a job, read as rows."""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import analyses, models, projects
from app.db.tables import Analysis, AnalysisKind, Job
from app.domain.errors import AnalysisNotReady, NotFound
from app.services.analyses import create_analysis
from app.storage.artifacts import ArtifactStore


@dataclass(frozen=True)
class PoolPredictions:
    """A model's predictions, by pool index.

    Attributes:
        index: ascending, [n]; items that are set aside are left out.
        classes: the most probable class of each, [n].
        confidences: its probability, [n].
    """

    index: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int64]
    confidences: npt.NDArray[np.float32]


def create_predictions(
    session: Session, project_id: int, model_id: int, settings: Settings
) -> tuple[Analysis, Job]:
    """Let a worker predict the whole pool.

    Raises:
        NotFound: the project has no such model.
    """
    project = projects.lock(session, project_id)
    if models.get(session, project_id, model_id) is None:
        raise NotFound("model", model_id)
    options = {"model_id": model_id}
    return create_analysis(session, project, AnalysisKind.PREDICTIONS, options, settings)


def list_predictions(
    session: Session, project_id: int, model_id: int
) -> list[tuple[Analysis, Job]]:
    """Return every prediction of the pool by the model with its job, oldest first."""
    rows = analyses.list_all(session, project_id, AnalysisKind.PREDICTIONS)
    return [row for row in rows if row[0].options["model_id"] == model_id]


def newest_hash(session: Session, project_id: int, model_id: int) -> str:
    """Return the artifact of the newest predictions of the pool by the model.

    Raises:
        AnalysisNotReady: there are none yet.
    """
    for analysis, _ in reversed(list_predictions(session, project_id, model_id)):
        if analysis.result_hash is not None:
            return analysis.result_hash
    raise AnalysisNotReady(
        f"Model {model_id} has not predicted the pool yet. POST to the same path asks for it; "
        "its job ends in state succeeded."
    )


def read_predictions(store: ArtifactStore, digest: str) -> PoolPredictions:
    """Return stored predictions.

    Raises:
        ArtifactMissing: they are not in the store.
    """
    with np.load(io.BytesIO(store.get(digest)), allow_pickle=False) as arrays:
        return PoolPredictions(arrays["index"], arrays["classes"], arrays["confidences"])
