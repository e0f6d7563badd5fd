"""The route of the learning curve."""

from fastapi import APIRouter

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, SessionDep
from app.db.queries import models
from app.db.tables import ModelRole
from app.schemas.bodies import problems
from app.schemas.models import CurvePoint

router = APIRouter(prefix="/projects/{project}", tags=["progress"], route_class=Route)


@router.get("/learning-curve", summary="Accuracy by labels", responses=problems(403, 404))
def learning_curve(session: SessionDep, project: ProjectDep, _admin: AdminDep) -> list[CurvePoint]:
    """Return every model's accuracy on the evaluation split, oldest first."""
    return [
        CurvePoint(
            model_id=model.id,
            role=ModelRole(model.role),
            round=model.round_number,
            n_labeled=model.n_labeled,
            accuracy=model.metrics.get("accuracy"),
            seconds=model.seconds,
        )
        for model in models.list_all(session, project.id)
    ]
