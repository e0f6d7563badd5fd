"""Requests to estimate how many labels the strategy saved against uniform selection."""

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import labels, projects
from app.db.tables import Analysis, AnalysisKind, Job, Project
from app.domain.errors import AnalysisInvalid
from app.services.analyses import create_analysis
from models.catalog import Encoding, find_model

FEWEST_UNIFORM = 20
FEWEST_EVALUATION = 50


def estimate_labels_saved(
    session: Session, project_id: int, settings: Settings
) -> tuple[Analysis, Job]:
    """Ask for the estimate, by the project's proxy and on its evaluation split.

    Raises:
        NotFound: there is no such project.
        AnalysisInvalid: too little is labeled uniformly, or measured on.
    """
    project = projects.lock(session, project_id)
    _check(session, project)
    return create_analysis(
        session, project, AnalysisKind.LABELS_SAVED, {"model": project.proxy}, settings
    )


def _check(session: Session, project: Project) -> None:
    n_uniform = len(labels.uniformly_drawn(session, project.id))
    if n_uniform < FEWEST_UNIFORM:
        raise AnalysisInvalid(
            f"{n_uniform} labeled items were drawn uniformly; it takes {FEWEST_UNIFORM} to see how "
            "a uniform selection would have done. Set selection.control_fraction, or label the "
            "first round."
        )
    if project.n_evaluation < FEWEST_EVALUATION:
        raise AnalysisInvalid(
            f"The evaluation split has {project.n_evaluation} items; it takes {FEWEST_EVALUATION} "
            "to measure on. Import items of the evaluation split with their classes."
        )
    if find_model(project.proxy["model"]).encoding is Encoding.VECTORS:
        raise AnalysisInvalid(
            "The proxy learns from brought features, and evaluation items have none. Name another "
            "proxy."
        )
