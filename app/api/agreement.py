"""The route of agreement."""

from fastapi import APIRouter

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, SessionDep
from app.schemas.agreement import AgreementOut
from app.schemas.bodies import problems
from app.services.agreement import read_agreement

router = APIRouter(prefix="/projects/{project}", tags=["annotators"], route_class=Route)


@router.get("/agreement", summary="Read agreement", responses=problems(403, 404))
def agreement(session: SessionDep, project: ProjectDep, _admin: AdminDep) -> AgreementOut:
    """Return Krippendorff's alpha and kappas: of the project, by round, annotator and pair."""
    return AgreementOut.model_validate(read_agreement(session, project.id))
