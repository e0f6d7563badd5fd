"""The messages of webhooks on their way: what to send next, and what became of it.

A worker claims a webhook, sends its oldest message outside of any transaction, and notes the
outcome if the claim still stands. Whatever ends it in between, the message is sent again under the
same id. While it fails, those behind it wait.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import orjson
from sqlalchemy import func
from sqlalchemy.orm import Session

from app.db.queries import deliveries as queries
from app.db.tables import DeliveryState, Event, Project, Webhook, WebhookDelivery
from app.domain.event_kinds import TEST
from app.domain.webhooks import DISABLE_AFTER, RETRY_FOR, pause_seconds
from app.services.webhook_posts import Message, Outcome

GONE = 410
MAX_ERROR = 500


@dataclass(frozen=True)
class NextMessage:
    """A message to send now, and the webhook that it is for."""

    delivery_id: int
    webhook_id: int
    project_id: int
    message: Message


@dataclass(frozen=True)
class Recorded:
    """What follows from an outcome: whether the next message goes out, or why none does any more.

    `disable_because` is a reason to disable the webhook.
    """

    goes_on: bool
    disable_because: str | None = None


def next_message(
    session: Session, webhook_id: int, token: UUID, claim_seconds: float
) -> NextMessage | None:
    """Return the webhook's oldest waiting message and extend the claim; None: nothing to send.

    None as well if the claim is lost or the webhook is disabled.
    """
    webhook = queries.extend_claim(session, webhook_id, token, claim_seconds)
    if webhook is None:
        return None
    found = queries.first_pending(session, webhook_id)
    if found is None:
        return None
    delivery, event, project = found
    body = _body(delivery, event, project)
    secrets = (webhook.secret, *queries.former_secrets(session, webhook))
    message = Message(webhook.url, message_id_of(delivery), secrets, body)
    return NextMessage(delivery.id, webhook_id, project.id, message)


def record_outcome(
    session: Session, sent: NextMessage, token: UUID, outcome: Outcome, claim_seconds: float
) -> Recorded:
    """Note what became of a message, if the claim still stands."""
    webhook = queries.extend_claim(session, sent.webhook_id, token, claim_seconds)
    found = queries.get(session, sent.webhook_id, sent.delivery_id)
    if webhook is None or found is None:
        return Recorded(goes_on=False)
    delivery = found[0]
    now = session.scalar(func.now().select())
    assert now is not None  # noqa: S101 - the clock answers
    delivery.n_attempts += 1
    delivery.first_tried_at = delivery.first_tried_at or now
    delivery.tried_at = now
    delivery.last_status = outcome.status
    delivery.last_error = None if outcome.fault is None else outcome.fault[:MAX_ERROR]
    webhook.last_seconds = outcome.seconds
    if outcome.fault is None:
        delivery.state, delivery.ended_at = DeliveryState.DELIVERED, now
        webhook.n_failures = 0
        webhook.failing_since = webhook.retry_at = None
        return Recorded(goes_on=True)
    return _record_failure(webhook, delivery, outcome, now)


def _record_failure(
    webhook: Webhook, delivery: WebhookDelivery, outcome: Outcome, now: datetime
) -> Recorded:
    webhook.n_failures += 1
    webhook.failing_since = webhook.failing_since or now
    if outcome.status == GONE:
        return Recorded(goes_on=False, disable_because="its receiver answered 410, gone for good")
    if now - webhook.failing_since >= DISABLE_AFTER:
        days = DISABLE_AFTER.days
        because = f"its receiver has failed for {days} days; the last time: {outcome.fault}"
        return Recorded(goes_on=False, disable_because=because[:MAX_ERROR])
    assert delivery.first_tried_at is not None  # noqa: S101 - set by the caller
    if now - delivery.first_tried_at >= RETRY_FOR:
        delivery.state, delivery.ended_at = DeliveryState.DEAD, now
    pause = pause_seconds(webhook.n_failures, outcome.retry_after_seconds, random.uniform)
    webhook.retry_at = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, pause)
    return Recorded(goes_on=False)


def message_id_of(delivery: WebhookDelivery) -> str:
    """Return the id of a message, the same each time that it is sent."""
    return f"msg_{delivery.message_id.hex}"


def _body(delivery: WebhookDelivery, event: Event | None, project: Project) -> bytes:
    at = delivery.created_at if event is None else event.created_at
    return orjson.dumps(
        {
            "type": TEST if event is None else event.name,
            "timestamp": at.astimezone(UTC).isoformat(),
            "data": {
                "event_id": None if event is None else event.id,
                "project": {"id": project.id, "name": project.name},
                "facts": {} if event is None else event.facts,
            },
        }
    )
