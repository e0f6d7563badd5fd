"""The route of a project's classes."""

from fastapi import APIRouter

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, SessionDep
from app.presenters.classes import present_classes
from app.schemas.bodies import problems
from app.schemas.classes import ClassesOut
from app.services.classes import read_classes

router = APIRouter(prefix="/projects/{project}", tags=["progress"], route_class=Route)


@router.get("/classes", summary="Classes by round", responses=problems(403, 404))
def read(session: SessionDep, project: ProjectDep, _admin: AdminDep) -> ClassesOut:
    """Return how often each class was found, by round, and which classes are rare."""
    return present_classes(read_classes(session, project), project.classes)
