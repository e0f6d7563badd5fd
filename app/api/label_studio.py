"""The route that Label Studio's webhooks call: it only wakes the pass that reads what happened."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from sqlalchemy.orm import Session, sessionmaker

from app.api.deps import in_thread
from app.db.session import transaction
from app.schemas.bodies import problems
from app.services.label_studio import wake

MAX_ID = 2**63 - 1

router = APIRouter(prefix="/label-studio", tags=["label-studio"])


@router.post(
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
    """Read what is new there soon; `svp labelstudio connect` sets the webhook up.

    No token: the header `X-Svp-Webhook-Secret` is checked. The body is not read, so that nothing
    can be told to this route: polling is what finds out.
    """
    factory: sessionmaker[Session] = request.app.state.session_factory
    await in_thread(request, _wake, factory, connection, x_svp_webhook_secret)
    return Response(status_code=204)


def _wake(factory: sessionmaker[Session], connection: int, secret: str | None) -> None:
    with transaction(factory) as session:
        wake(session, connection if 0 < connection <= MAX_ID else 0, secret)
