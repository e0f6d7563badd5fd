"""Webhooks and their messages as the API and pages show them."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from app.db.queries import webhooks as queries
from app.db.tables import DeliveryState, Event, Webhook, WebhookDelivery
from app.domain.event_kinds import TEST
from app.schemas.webhooks import DeliveryOut, WebhookOut
from app.services.deliveries import message_id_of

SHOWN = (
    "id", "events", "description", "disabled_at", "disabled_reason", "n_failures", "failing_since",
    "retry_at", "former_until", "created_at",
)  # fmt: skip


def present_webhooks(session: Session, project_id: int, *, shows_address: bool) -> list[WebhookOut]:
    """Return the project's webhooks; without their whole address to those who only read."""
    waiting = queries.n_waiting(session, project_id)
    return [
        _present(webhook, waiting.get(webhook.id, {}), shows_address=shows_address)
        for webhook in queries.list_all(session, project_id)
    ]


def present_webhook(session: Session, webhook: Webhook, *, shows_address: bool) -> WebhookOut:
    """Return one webhook."""
    waiting = queries.n_waiting(session, webhook.project_id).get(webhook.id, {})
    return _present(webhook, waiting, shows_address=shows_address)


def present_delivery(delivery: WebhookDelivery, event: Event | None) -> DeliveryOut:
    """Return one message."""
    columns = (
        "id", "event_id", "n_attempts", "last_status", "last_error", "created_at", "tried_at",
        "ended_at",
    )  # fmt: skip
    return DeliveryOut(
        **{name: getattr(delivery, name) for name in columns},
        message_id=message_id_of(delivery),
        type=TEST if event is None else event.name,
        state=DeliveryState(delivery.state),
    )


def _present(webhook: Webhook, waiting: Mapping[str, int], *, shows_address: bool) -> WebhookOut:
    parts = urlsplit(webhook.url)
    return WebhookOut(
        **{name: getattr(webhook, name) for name in SHOWN},
        url=webhook.url if shows_address else f"{parts.scheme}://{parts.hostname}/...",
        is_enabled=webhook.disabled_at is None,
        n_pending=waiting.get(DeliveryState.PENDING, 0),
        n_dead=waiting.get(DeliveryState.DEAD, 0),
    )
