"""Routes of a project's connection to Label Studio, and the one that its webhooks call."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from sqlalchemy.orm import Session, sessionmaker

from app.api.bodies import Route
from app.api.deps import (
    AdminDep,
    ProjectDep,
    ProjectIdDep,
    SessionDep,
    SettingsDep,
    in_reading_thread,
    in_thread,
)
from app.config import Settings
from app.db.session import transaction
from app.presenters.label_studio import present_connection
from app.schemas.bodies import problems
from app.schemas.label_studio import (
    LabelStudioConnect,
    LabelStudioConnected,
    LabelStudioOut,
    LabelStudioSync,
)
from app.services.label_studio import ConnectionIn, connect, disconnect
from app.services.label_studio_state import exchange_soon, require, wake

MAX_ID = 2**63 - 1

router = APIRouter(
    prefix="/projects/{project}/label-studio", tags=["label-studio"], route_class=Route
)
open_router = APIRouter(prefix="/label-studio", tags=["label-studio"])


@router.get("", summary="Read the connection with Label Studio", responses=problems(403, 404, 409))
def read(session: SessionDep, project: ProjectDep, _admin: AdminDep) -> LabelStudioOut:
    """Return how the exchange does; 409 `label_studio_not_connected` where there is none."""
    return present_connection(session, require(session, project.id))


@router.put("", summary="Connect with Label Studio", responses=problems(403, 404, 409, 503))
async def put(
    request: Request,
    body: LabelStudioConnect,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
) -> LabelStudioConnected:
    """Connect the project with one of Label Studio, or change its connection.

    Another project there begins anew; labels stay. The token is asked for each time: a stored one
    is never sent to another address. The address must be public and by HTTPS, or one that the
    operator lists in `SVP_LABEL_STUDIO_HOSTS`.
    """
    return await in_reading_thread(request, connect_for_lead, request, project, body, settings)


@router.post(
    "/sync",
    status_code=202,
    summary="Exchange with Label Studio now",
    responses=problems(403, 404, 409),
)
def sync(
    body: LabelStudioSync, session: SessionDep, project: ProjectIdDep, _admin: AdminDep
) -> LabelStudioOut:
    """Let the next exchange begin at once, and return how the last one did."""
    exchange_soon(session, project, again=body.again)
    return present_connection(session, require(session, project))


@router.delete(
    "",
    status_code=204,
    summary="Disconnect from Label Studio",
    response_class=Response,
    responses=problems(403, 404, 409),
)
async def delete(
    request: Request, project: ProjectIdDep, _admin: AdminDep, settings: SettingsDep
) -> Response:
    """End the connection: items are free again, labels stay; the project there is left as it is.

    Answers that were not taken yet are lost here, and stay there.
    """
    await in_reading_thread(request, disconnect_for_lead, request, project, settings)
    return Response(status_code=204)


def connect_for_lead(
    request: Request, project_id: int, wanted: LabelStudioConnect, settings: Settings
) -> LabelStudioConnected:
    """Connect within what leads may reach; it opens transactions of its own, and waits outside."""
    factory: sessionmaker[Session] = request.app.state.session_factory
    given = wanted.model_dump(exclude={"token"})
    token = wanted.token.get_secret_value()
    made = connect(
        factory, project_id, ConnectionIn(token=token, is_guarded=True, **given), settings
    )
    with transaction(factory) as session:
        shown = present_connection(session, require(session, project_id))
    return LabelStudioConnected(
        **shown.model_dump(),
        title=made.title,
        is_new=made.is_new,
        webhook_fault=made.webhook_fault,
    )


def disconnect_for_lead(request: Request, project_id: int, settings: Settings) -> None:
    """End the connection; a Label Studio that is away keeps its webhook, which wakes nobody."""
    disconnect(request.app.state.session_factory, project_id, settings, is_patient=False)


@open_router.post(
    "/{connection}/webhook",
    summary="Wake the exchange with Label Studio",
    status_code=204,
    response_class=Response,
    responses=problems(404, 422),
)
async def webhook(
    request: Request,
    connection: int,
    x_svp_webhook_secret: Annotated[str | None, Header()] = None,
) -> Response:
    """Read what is new there soon; connecting sets the webhook up.

    No token: the header `X-Svp-Webhook-Secret` is checked. The body is not read, so that nothing
    can be told to this route: polling is what finds out.
    """
    factory: sessionmaker[Session] = request.app.state.session_factory
    await in_thread(request, _wake, factory, connection, x_svp_webhook_secret)
    return Response(status_code=204)


def _wake(factory: sessionmaker[Session], connection: int, secret: str | None) -> None:
    with transaction(factory) as session:
        wake(session, connection if 0 < connection <= MAX_ID else 0, secret)
