"""Statements on webhooks: who is told of a project's events."""

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.db.tables import DeliveryState, Webhook, WebhookDelivery


def get(session: Session, project_id: int, webhook_id: int) -> Webhook | None:
    """Return one webhook of the project."""
    return session.scalar(
        select(Webhook)
        .where(Webhook.project_id == project_id, Webhook.id == webhook_id)
        .execution_options(populate_existing=True)
    )


def list_all(session: Session, project_id: int) -> list[Webhook]:
    """Return the project's webhooks, oldest first."""
    return list(
        session.scalars(
            select(Webhook).where(Webhook.project_id == project_id).order_by(Webhook.id)
        )
    )


def n_waiting(session: Session, project_id: int) -> dict[int, dict[str, int]]:
    """Return webhook id -> state -> how many messages are in it, of those not delivered."""
    counts: dict[int, dict[str, int]] = {}
    rows = session.execute(
        select(WebhookDelivery.webhook_id, WebhookDelivery.state, func.count())
        .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
        .where(
            Webhook.project_id == project_id,
            WebhookDelivery.state != DeliveryState.DELIVERED,
        )
        .group_by(WebhookDelivery.webhook_id, WebhookDelivery.state)
    )
    for webhook_id, state, n in rows:
        counts.setdefault(webhook_id, {})[state] = n
    return counts


def remove(session: Session, webhook_id: int) -> None:
    """Remove a webhook with its messages."""
    session.execute(delete(Webhook).where(Webhook.id == webhook_id))


def bury_pending(session: Session, webhook_id: int, reason: str) -> int:
    """Make the waiting messages of a webhook dead ones; return how many."""
    rows = session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.webhook_id == webhook_id,
            WebhookDelivery.state == DeliveryState.PENDING,
        )
        .values(
            state=DeliveryState.DEAD,
            ended_at=func.now(),
            last_error=func.coalesce(WebhookDelivery.last_error, reason),
        )
        .returning(WebhookDelivery.id)
    )
    return len(rows.all())
