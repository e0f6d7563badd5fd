"""The route of the learning curve."""

from fastapi import APIRouter

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, SessionDep
from app.db.queries import models
from app.presenters.learning_curve import present_curve_point
from app.schemas.bodies import problems
from app.schemas.models import CurvePoint

router = APIRouter(prefix="/projects/{project}", tags=["progress"], route_class=Route)


@router.get("/learning-curve", summary="Accuracy by labels", responses=problems(403, 404))
def learning_curve(session: SessionDep, project: ProjectDep, _admin: AdminDep) -> list[CurvePoint]:
    """Return every model's accuracy on the evaluation split, oldest first."""
    return [present_curve_point(model) for model in models.list_all(session, project.id)]
