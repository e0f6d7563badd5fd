"""Statements on the messages of webhooks. A claim gives one worker a webhook's whole queue.

Claims and pauses run by the database's clock. What is longer than any may be was written before
that clock was set back, and does not count.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.db.tables import DeliveryState, Event, Project, Webhook, WebhookDelivery
from app.domain.states import ProjectState
from app.domain.webhooks import LONGEST_ASKED_SECONDS

SLOW_SECONDS = 2.0
LONGEST_CLAIM = timedelta(minutes=10)
LONGEST_PAUSE = timedelta(seconds=2 * LONGEST_ASKED_SECONDS)
# One that was never sent to may be anything.
IS_SLOW = or_(
    Webhook.n_failures > 0, Webhook.last_seconds.is_(None), Webhook.last_seconds > SLOW_SECONDS
)
IS_PENDING = WebhookDelivery.state == DeliveryState.PENDING


def claim_due(
    session: Session, token: UUID, seconds: float, limit: int, *, slow: bool
) -> list[int]:
    """Claim up to `limit` webhooks that have messages to send now; return their ids.

    Args:
        session: in a transaction.
        token: of the claims.
        seconds: that they last, unless extended.
        limit: the most.
        slow: those that fail, answer slowly or have not answered yet, or the others.
    """
    due = (
        select(Webhook.id)
        .join(Project, Project.id == Webhook.project_id)
        .where(
            IS_SLOW if slow else ~IS_SLOW,
            Webhook.disabled_at.is_(None),
            Project.state != ProjectState.DELETING,
            _is_over(Webhook.claimed_until, LONGEST_CLAIM),
            _is_over(Webhook.retry_at, LONGEST_PAUSE),
            exists().where(WebhookDelivery.webhook_id == Webhook.id, IS_PENDING),
        )
        .order_by(Webhook.served_at.asc().nulls_first())
        .limit(limit)
        .with_for_update(of=Webhook, key_share=True, skip_locked=True)
    )
    claimed = session.execute(
        update(Webhook)
        .where(Webhook.id.in_(due.scalar_subquery()))
        .values(
            claim_token=token,
            claimed_until=func.now() + timedelta(seconds=seconds),
            served_at=func.now(),
        )
        .returning(Webhook.id)
    )
    return list(claimed.scalars())


def extend_claim(session: Session, webhook_id: int, token: UUID, seconds: float) -> Webhook | None:
    """Extend the claim and return the webhook, locked; None if it is lost, or disabled."""
    return session.scalar(
        update(Webhook)
        .where(
            Webhook.id == webhook_id,
            Webhook.claim_token == token,
            Webhook.disabled_at.is_(None),
        )
        .values(claimed_until=func.now() + timedelta(seconds=seconds))
        .returning(Webhook)
        .execution_options(populate_existing=True)
    )


def release(session: Session, webhook_id: int, token: UUID) -> None:
    """Give a claim back."""
    session.execute(
        update(Webhook)
        .where(Webhook.id == webhook_id, Webhook.claim_token == token)
        .values(claim_token=None, claimed_until=None)
    )


def former_secrets(session: Session, webhook: Webhook) -> Sequence[bytes]:
    """Return the webhook's former secret while it still signs."""
    if webhook.former_until is None:
        return ()
    still = select(Webhook.former_secret).where(
        Webhook.id == webhook.id,
        Webhook.former_secret.is_not(None),
        Webhook.former_until > func.now(),
    )
    return [secret for secret in session.scalars(still) if secret is not None]


def forget_former_secrets(session: Session) -> None:
    """Remove the former secrets that sign no more."""
    session.execute(
        update(Webhook)
        .where(Webhook.former_until <= func.now())
        .values(former_secret=None, former_until=None)
    )


def first_pending(
    session: Session, webhook_id: int
) -> tuple[WebhookDelivery, Event | None, Project] | None:
    """Return the webhook's oldest waiting message with its event and project."""
    row = session.execute(
        select(WebhookDelivery, Event, Project)
        .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
        .join(Project, Project.id == Webhook.project_id)
        .outerjoin(Event, Event.id == WebhookDelivery.event_id)
        .where(WebhookDelivery.webhook_id == webhook_id, IS_PENDING)
        .order_by(WebhookDelivery.id)
        .limit(1)
    ).first()
    return None if row is None else (row[0], row[1], row[2])


def get(
    session: Session, webhook_id: int, delivery_id: int
) -> tuple[WebhookDelivery, Event | None] | None:
    """Return one message of a webhook with its event, locked."""
    row = session.execute(
        select(WebhookDelivery, Event)
        .outerjoin(Event, Event.id == WebhookDelivery.event_id)
        .where(WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.id == delivery_id)
        .with_for_update(of=WebhookDelivery, key_share=True)
        .execution_options(populate_existing=True)
    ).first()
    return None if row is None else (row[0], row[1])


def list_page(
    session: Session,
    webhook_id: int,
    before_id: int | None,
    limit: int,
    state: DeliveryState | None = None,
) -> list[tuple[WebhookDelivery, Event | None]]:
    """Return up to `limit` messages with their events, newest first, below `before_id`."""
    statement = (
        select(WebhookDelivery, Event)
        .outerjoin(Event, Event.id == WebhookDelivery.event_id)
        .where(WebhookDelivery.webhook_id == webhook_id)
        .order_by(WebhookDelivery.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        statement = statement.where(WebhookDelivery.id < before_id)
    if state is not None:
        statement = statement.where(WebhookDelivery.state == state)
    return [(delivery, event) for delivery, event in session.execute(statement)]


def revive_dead(session: Session, webhook_id: int) -> int:
    """Let every dead message of a webhook wait again; return how many."""
    rows = session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.webhook_id == webhook_id,
            WebhookDelivery.state == DeliveryState.DEAD,
        )
        .values(state=DeliveryState.PENDING, first_tried_at=None, ended_at=None)
        .returning(WebhookDelivery.id)
    )
    return len(rows.all())


def remove_ended(session: Session, days: float, limit: int) -> int:
    """Remove up to `limit` messages that ended so many days ago; return how many."""
    old = (
        select(WebhookDelivery.id)
        .where(
            WebhookDelivery.state != DeliveryState.PENDING,
            WebhookDelivery.ended_at < func.now() - timedelta(days=days),
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    removed = session.execute(
        delete(WebhookDelivery)
        .where(WebhookDelivery.id.in_(old.scalar_subquery()))
        .returning(WebhookDelivery.id)
    )
    return len(removed.all())


def _is_over(
    until: InstrumentedAttribute[object | None] | ColumnElement[object], longest: timedelta
) -> ColumnElement[bool]:
    return or_(until.is_(None), until <= func.now(), and_(until > func.now() + longest))
