"""Statements on events; append-only. What webhooks are told of is written with the event."""

from collections.abc import Mapping, Sequence

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from app.db.session import DELIVERY_CHANNEL, announce
from app.db.tables import Event, Webhook, WebhookDelivery
from app.domain.event_kinds import kinds_of


def append(session: Session, project_id: int, name: str, facts: Mapping[str, object]) -> None:
    """Append one event; `name` is noun.verb_past, `facts` are JSON values.

    Each webhook that wants it gets a message in the same statement.
    """
    new = insert(Event).values(project_id=project_id, name=name, facts=dict(facts))
    event = new.returning(Event.id, Event.project_id).cte("event")
    wanting = select(Webhook.id, event.c.id).where(
        Webhook.project_id == event.c.project_id,
        Webhook.disabled_at.is_(None),
        Webhook.events.overlap(kinds_of(name, facts)),
    )
    messages = insert(WebhookDelivery).from_select(["webhook_id", "event_id"], wanting)
    if session.execute(messages.returning(WebhookDelivery.id)).all():
        announce(session, DELIVERY_CHANNEL)


def newest_facts(session: Session, project_id: int, name: str) -> dict[str, object] | None:
    """Return the facts of the project's newest event of this name."""
    return session.scalar(
        select(Event.facts)
        .where(Event.project_id == project_id, Event.name == name)
        .order_by(Event.id.desc())
        .limit(1)
    )


def list_page(session: Session, project_id: int, after_id: int, limit: int) -> list[Event]:
    """Return up to `limit` events of the project above `after_id`, oldest first."""
    return list(
        session.scalars(
            select(Event)
            .where(Event.project_id == project_id, Event.id > after_id)
            .order_by(Event.id)
            .limit(limit)
        )
    )


def newest_id(session: Session) -> int:
    """Return the id of the newest event of any project; 0 where there is none."""
    return session.scalar(select(func.max(Event.id))) or 0


def newest_of(session: Session, project_id: int) -> int:
    """Return the id of the project's newest event; 0 where there is none."""
    return session.scalar(select(func.max(Event.id)).where(Event.project_id == project_id)) or 0


def newest_ids(session: Session, project_id: int, up_to: int | None, limit: int) -> set[int]:
    """Return the ids of the project's newest events, of those up to an id where one is given."""
    statement = select(Event.id).where(Event.project_id == project_id)
    if up_to is not None:
        statement = statement.where(Event.id <= up_to)
    return set(session.scalars(statement.order_by(Event.id.desc()).limit(limit)))


def list_above(
    session: Session, project_ids: Sequence[int], after_id: int, limit: int
) -> list[Event]:
    """Return up to `limit` events of these projects above `after_id`, oldest first."""
    return list(
        session.scalars(
            select(Event)
            .where(Event.project_id.in_(project_ids), Event.id > after_id)
            .order_by(Event.id)
            .limit(limit)
        )
    )


def newest_page(
    session: Session, project_id: int, before_id: int | None, limit: int
) -> list[Event]:
    """Return up to `limit` events of the project, newest first, below `before_id`."""
    statement = select(Event).where(Event.project_id == project_id)
    if before_id is not None:
        statement = statement.where(Event.id < before_id)
    return list(session.scalars(statement.order_by(Event.id.desc()).limit(limit)))


def of_job(session: Session, project_id: int, job_id: int, limit: int = 200) -> list[Event]:
    """Return the changes of a job's state, oldest first."""
    return list(
        session.scalars(
            select(Event)
            .where(
                Event.project_id == project_id,
                Event.name == "job.state_changed",
                Event.facts["job"].as_integer() == job_id,
            )
            .order_by(Event.id)
            .limit(limit)
        )
    )
