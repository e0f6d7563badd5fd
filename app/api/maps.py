"""Routes of a project's map."""

from fastapi import APIRouter

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, ProjectIdDep, SessionDep, SettingsDep, StoreDep
from app.presenters.jobs import present_with_job
from app.presenters.maps import present_map
from app.schemas.bodies import problems
from app.schemas.maps import MapOut
from app.services.maps import create_map, read_map

router = APIRouter(prefix="/projects/{project}/map", tags=["analyses"], route_class=Route)


@router.post("", status_code=202, summary="Draw a map", responses=problems(403, 404, 422))
def create(
    session: SessionDep, project: ProjectIdDep, _admin: AdminDep, settings: SettingsDep
) -> MapOut:
    """Ask for a map: up to 50,000 items of the pool, by the newest proxy's features, on a plane."""
    analysis, job = create_map(session, project, settings)
    return present_with_job(MapOut, analysis, job, result=None, points=None)


@router.get("", summary="Read the map", responses=problems(403, 404, 409, 410))
def read(session: SessionDep, project: ProjectDep, _admin: AdminDep, store: StoreDep) -> MapOut:
    """Return the newest map, its points in columns with the labels and states of now."""
    return present_map(read_map(session, store, project))
