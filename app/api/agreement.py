"""The route of agreement."""

from fastapi import APIRouter
from sqlalchemy.orm import Session

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, SessionDep
from app.api.recent import Recent, RecentDep
from app.db.tables import Project
from app.schemas.agreement import AgreementOut
from app.schemas.bodies import problems
from app.services.agreement import read_agreement

router = APIRouter(prefix="/projects/{project}", tags=["annotators"], route_class=Route)


@router.get("/agreement", summary="Read agreement", responses=problems(403, 404))
def agreement(
    session: SessionDep, project: ProjectDep, _admin: AdminDep, recent: RecentDep
) -> AgreementOut:
    """Return Krippendorff's alpha and kappas: of the project, by round, annotator and pair.

    Over many labels it is counted now and then; `counted_at` says when.
    """
    return agreement_of(session, project, recent)


def agreement_of(session: Session, project: Project, recent: Recent) -> AgreementOut:
    """Return the agreement of the project's annotators, as of late."""
    project_id = project.id
    found = recent.read(
        "agreement", project, lambda other: read_agreement(other, project_id), session
    )
    return AgreementOut.model_validate(found)
