"""Routes of events: the list, and the stream."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, SessionDep
from app.api.event_streams import EventStreams
from app.api.projects import Limit
from app.db.queries import events
from app.schemas.bodies import problems
from app.schemas.events import EventOut, EventPage

router = APIRouter(prefix="/projects", tags=["projects"], route_class=Route)

LONGEST_SECONDS = 900
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
MESSAGE = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string", "enum": ["event", "job", "counts"]},
        "data": {"type": "string", "description": "JSON: an event, a job, or counts."},
    },
}
STREAM: dict[int | str, dict[str, Any]] = {
    **problems(403, 404, 429),
    200: {"content": {"text/event-stream": {"schema": MESSAGE}}},
}
EventId = Annotated[int | None, Query(ge=0, le=2**63 - 1)]


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


@router.get(
    "/{project}/events/stream",
    summary="Watch events",
    response_class=StreamingResponse,
    responses=STREAM,
)
def watch_events(  # noqa: PLR0913, PLR0917 - the parts of a request
    request: Request,
    project: ProjectDep,
    admin: AdminDep,
    after: EventId = None,
    last_event_id: Annotated[int | None, Header(ge=0, le=2**63 - 1)] = None,
    seconds: Annotated[
        float, Query(ge=0, le=LONGEST_SECONDS, description="When the stream ends by itself.")
    ] = LONGEST_SECONDS,
) -> StreamingResponse:
    """Stream what happens in the project, as Server-Sent Events.

    `event` messages are events with their ids; a reader that connects again sends the last one as
    `Last-Event-ID` (browsers do so by themselves) and misses nothing. Without it, or `after`, the
    stream begins with what happens next. `job` messages hold a queued or running job whenever its
    state or progress has changed, `counts` messages the project's counts. The stream ends after
    `seconds`; then the reader connects again, and its right is checked anew.
    """
    streams: EventStreams = request.app.state.event_streams
    streams.check_room(admin.annotator_id)
    resume_at = after if last_event_id is None else last_event_id
    body = streams.read(project.id, admin.annotator_id, resume_at, seconds)
    return StreamingResponse(body, media_type="text/event-stream", headers=HEADERS)
