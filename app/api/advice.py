"""The route of the stopping advice."""

from fastapi import APIRouter

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, SessionDep
from app.domain.states import LABEL_ACCEPTING_PROJECT_STATES, ProjectState
from app.presenters.advice import present_advice
from app.schemas.advice import AdviceOut
from app.schemas.bodies import problems
from app.services.advice import read_advice
from app.services.budget import n_next_batch

router = APIRouter(prefix="/projects/{project}", tags=["progress"], route_class=Route)


@router.get("/advice", summary="Read stopping advice", responses=problems(403, 404))
def read_stopping_advice(session: SessionDep, project: ProjectDep, _admin: AdminDep) -> AdviceOut:
    """Return whether labeling more is worth it, why, and what was measured of each round."""
    takes_labels = project.state in {*LABEL_ACCEPTING_PROJECT_STATES, ProjectState.DRAFT}
    return present_advice(
        read_advice(session, project, n_next_batch(session, project) if takes_labels else 0)
    )
