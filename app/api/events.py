"""The route of events."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, SessionDep
from app.api.projects import Limit
from app.db.queries import events
from app.schemas.bodies import problems
from app.schemas.events import EventOut, EventPage

router = APIRouter(prefix="/projects", tags=["projects"], route_class=Route)


@router.get("/{project}/events", summary="List events", responses=problems(403, 404))
def list_events(
    session: SessionDep,
    project: ProjectDep,
    _admin: AdminDep,
    cursor: Annotated[int, Query(ge=0)] = 0,
    limit: Limit = 100,
) -> EventPage:
    """Return what happened in the project, oldest first."""
    page = events.list_page(session, project.id, cursor, limit)
    return EventPage(
        events=[EventOut.model_validate(event) for event in page],
        next_cursor=page[-1].id if len(page) == limit else None,
    )
