"""Routes of webhooks: addresses outside that are told of a project's events."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.db.queries import deliveries as queries
from app.db.tables import DeliveryState
from app.domain.roles import Right
from app.presenters.webhooks import present_delivery, present_webhook, present_webhooks
from app.schemas.bodies import problems
from app.schemas.webhooks import (
    DeliveryOut,
    DeliveryPage,
    ReplayedOut,
    WebhookChange,
    WebhookCreate,
    WebhookCreated,
    WebhookOut,
    WebhookSecretChange,
)
from app.services.webhooks import (
    WebhookIn,
    change_secret,
    change_webhook,
    create_webhook,
    delete_webhook,
    find_webhook,
    replay_dead,
    replay_delivery,
    send_test,
)

router = APIRouter(prefix="/projects/{project}/webhooks", tags=["webhooks"], route_class=Route)


@router.post("", status_code=201, summary="Create a webhook", responses=problems(403, 404, 409))
def create(
    body: WebhookCreate,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
) -> WebhookCreated:
    """Let an address be told of events; the secret that signs its messages is shown only now."""
    wanted = WebhookIn(body.url, body.events, body.description)
    secret, webhook = create_webhook(session, project, wanted, settings)
    shown = present_webhook(session, webhook, shows_address=True)
    return WebhookCreated(**shown.model_dump(), secret=secret)


@router.get("", summary="List webhooks", responses=problems(403, 404))
def list_webhooks(session: SessionDep, project: ProjectDep, admin: AdminDep) -> list[WebhookOut]:
    """Return the project's webhooks without their secrets, oldest first."""
    return present_webhooks(session, project.id, shows_address=admin.may(Right.LEAD, project.id))


@router.get("/{webhook}", summary="Read a webhook", responses=problems(403, 404))
def read(session: SessionDep, project: ProjectDep, admin: AdminDep, webhook: int) -> WebhookOut:
    """Return one webhook."""
    found = find_webhook(session, project.id, webhook)
    return present_webhook(session, found, shows_address=admin.may(Right.LEAD, project.id))


@router.patch("/{webhook}", summary="Change a webhook", responses=problems(403, 404, 409))
def change(
    body: WebhookChange,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    settings: SettingsDep,
    webhook: int,
) -> WebhookOut:
    """Change what is given; disabling gives up what waits, and it can be replayed."""
    changes = {k: v for k, v in body.model_dump(exclude_unset=True).items() if v is not None}
    changed = change_webhook(session, project, webhook, changes, settings)
    return present_webhook(session, changed, shows_address=True)


@router.post("/{webhook}/secret", summary="Change the secret", responses=problems(403, 404, 409))
def secret(
    body: WebhookSecretChange,
    session: SessionDep,
    project: ProjectIdDep,
    _admin: AdminDep,
    webhook: int,
) -> WebhookCreated:
    """Sign by a new secret, shown only now; for 24 hours messages carry both signatures."""
    new, changed = change_secret(session, project, webhook, ends_old=body.ends_old)
    shown = present_webhook(session, changed, shows_address=True)
    return WebhookCreated(**shown.model_dump(), secret=new)


@router.delete(
    "/{webhook}", status_code=204, summary="Delete a webhook", responses=problems(403, 404)
)
def delete(session: SessionDep, project: ProjectIdDep, _admin: AdminDep, webhook: int) -> None:
    """Remove a webhook with its messages, those that wait too."""
    delete_webhook(session, project, webhook)


@router.post(
    "/{webhook}/test", status_code=202, summary="Test a webhook", responses=problems(403, 404, 409)
)
def test(session: SessionDep, project: ProjectIdDep, _admin: AdminDep, webhook: int) -> DeliveryOut:
    """Send a message of the type `webhook.test`, and try what waits now."""
    return present_delivery(send_test(session, project, webhook), None)


@router.get("/{webhook}/deliveries", summary="List messages", responses=problems(403, 404))
def list_deliveries(  # noqa: PLR0913, PLR0917 - the parts of a request
    session: SessionDep,
    project: ProjectDep,
    _admin: AdminDep,
    webhook: int,
    state: DeliveryState | None = None,
    cursor: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> DeliveryPage:
    """Return the messages to a webhook, newest first; `state=dead` are those given up."""
    found = find_webhook(session, project.id, webhook)
    page = queries.list_page(session, found.id, cursor, limit, state)
    return DeliveryPage(
        deliveries=[present_delivery(delivery, event) for delivery, event in page],
        next_cursor=page[-1][0].id if len(page) == limit else None,
    )


@router.post(
    "/{webhook}/deliveries/replay",
    status_code=202,
    summary="Replay dead messages",
    responses=problems(403, 404, 409),
)
def replay_all(
    session: SessionDep, project: ProjectIdDep, _admin: AdminDep, webhook: int
) -> ReplayedOut:
    """Send every dead message again, oldest first, each under its own id."""
    return ReplayedOut(n=replay_dead(session, project, webhook))


@router.post(
    "/{webhook}/deliveries/{delivery}/replay",
    status_code=202,
    summary="Replay a message",
    responses=problems(403, 404, 409),
)
def replay(
    session: SessionDep, project: ProjectIdDep, _admin: AdminDep, webhook: int, delivery: int
) -> DeliveryOut:
    """Send one message again under its id, dead or delivered."""
    replay_delivery(session, project, webhook, delivery)
    found = queries.get(session, webhook, delivery)
    assert found is not None  # noqa: S101 - it was found just now
    return present_delivery(*found)
