"""Statements on events; append-only. What webhooks are told of is written with the event."""

from collections.abc import Mapping

from sqlalchemy import BigInteger, column, func, insert, literal, select, true, values
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, aliased

from app.db.session import DELIVERY_CHANNEL, announce
from app.db.tables import Event, Project, Webhook, WebhookDelivery
from app.domain.event_kinds import kinds_of


def append(session: Session, project_id: int, name: str, facts: Mapping[str, object]) -> None:
    """Append one event; `name` is noun.verb_past, `facts` are JSON values.

    Each webhook that wants it gets a message in the same statement. The project's row is locked
    before the event gets its id: ids of a project become visible in their order, so that who has
    read up to one has missed none. Callers hold that lock already.
    """
    project = (
        select(Project.id)
        .where(Project.id == project_id)
        .with_for_update(key_share=True)
        .cte("project")
    )
    row = select(project.c.id, literal(name), literal(dict(facts), JSONB))
    new = insert(Event).from_select(["project_id", "name", "facts"], row)
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


def newest_of(session: Session, project_id: int) -> int:
    """Return the id of the project's newest event; 0 where there is none."""
    return session.scalar(select(func.max(Event.id)).where(Event.project_id == project_id)) or 0


def list_new(session: Session, after_ids: Mapping[int, int], limit: int) -> list[Event]:
    """Return up to `limit` events of each of these projects above its id, oldest first.

    Args:
        session: in a transaction.
        after_ids: project -> the id up to which its events are known.
        limit: the most of one project.
    """
    if not after_ids:
        return []
    known = values(
        column("project_id", BigInteger), column("after_id", BigInteger), name="known"
    ).data(list(after_ids.items()))
    new = (
        select(Event)
        .where(Event.project_id == known.c.project_id, Event.id > known.c.after_id)
        .order_by(Event.id)
        .limit(limit)
        .lateral("new")
    )
    found = aliased(Event, new)
    statement = select(found).select_from(known.join(new, true())).order_by(found.id)
    return list(session.scalars(statement))


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
