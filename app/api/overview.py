"""The route of a project's overview."""

from fastapi import APIRouter

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, SessionDep
from app.presenters.overview import present_overview
from app.schemas.bodies import problems
from app.schemas.overview import OverviewOut
from app.services.overview import read_overview

router = APIRouter(prefix="/projects/{project}", tags=["progress"], route_class=Route)


@router.get("/overview", summary="Read the overview", responses=problems(403, 404))
def overview(session: SessionDep, project: ProjectDep, _admin: AdminDep) -> OverviewOut:
    """Return how far the project is, what works on it now, and what needs somebody, with how."""
    return present_overview(read_overview(session, project))
