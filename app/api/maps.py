"""Routes of a project's map."""

from functools import partial

import orjson
from fastapi import APIRouter, Response
from sqlalchemy.orm import Session

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, ProjectIdDep, SessionDep, SettingsDep, StoreDep
from app.api.recent import RecentDep
from app.presenters.jobs import present_with_job
from app.presenters.maps import present_map, present_points
from app.schemas.bodies import problems
from app.schemas.maps import MapOut
from app.services.maps import create_map, read_map, read_points
from app.storage.artifacts import ArtifactStore

router = APIRouter(prefix="/projects/{project}/map", tags=["analyses"], route_class=Route)


@router.post("", status_code=202, summary="Draw a map", responses=problems(403, 404, 422))
def create(
    session: SessionDep, project: ProjectIdDep, _admin: AdminDep, settings: SettingsDep
) -> MapOut:
    """Ask for a map: up to 50,000 items of the pool, by the newest proxy's features, on a plane."""
    analysis, job = create_map(session, project, settings)
    return present_with_job(MapOut, analysis, job, result=None, points=None)


@router.get(
    "", summary="Read the map", response_model=MapOut, responses=problems(403, 404, 409, 410)
)
def read(
    session: SessionDep, project: ProjectDep, _admin: AdminDep, store: StoreDep, recent: RecentDep
) -> Response:
    """Return the newest map, its points in columns with the labels and states of now.

    Over many labels those are of some seconds ago.
    """
    found = read_map(session, project)
    body = present_map(found).model_dump(mode="json", by_alias=True)
    if found.drawn is not None and found.drawn.result_hash is not None:
        digest = found.drawn.result_hash
        count = partial(_points, store, project.id, digest)
        body["points"] = orjson.Fragment(recent.read(f"map {digest}", project, count, session))
    return Response(orjson.dumps(body), media_type="application/json")


def _points(store: ArtifactStore, project_id: int, digest: str, session: Session) -> bytes:
    """Return the points of a drawn map as JSON."""
    shown = present_points(read_points(session, store, project_id, digest))
    return orjson.dumps(shown.model_dump(mode="json", by_alias=True))
