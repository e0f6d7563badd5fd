"""Statements on workers: when they were last seen, by the database's clock."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.db.tables import Worker


def see(session: Session, worker_id: UUID, name: str, queues: str) -> None:
    """Note that the worker was seen now."""
    row = insert(Worker).values(id=worker_id, name=name, queues=queues)
    session.execute(
        row.on_conflict_do_update(index_elements=[Worker.id], set_={"seen_at": func.now()})
    )


def forget(session: Session, worker_id: UUID) -> None:
    """Remove the worker."""
    session.execute(delete(Worker).where(Worker.id == worker_id))


def forget_unseen(session: Session, after_seconds: float) -> None:
    """Remove workers that have not been seen for so long."""
    session.execute(
        delete(Worker).where(Worker.seen_at < func.now() - timedelta(seconds=after_seconds))
    )


def n_serving(session: Session, queue: str, seconds: float) -> int:
    """Return how many workers that were seen in the last seconds serve the queue."""
    since = func.now() - timedelta(seconds=seconds)
    served = func.array_position(func.string_to_array(Worker.queues, ","), queue)
    statement = select(func.count()).where(Worker.seen_at > since, served.is_not(None))
    return session.scalar(statement) or 0


def seen_within(session: Session, seconds: float) -> list[str]:
    """Return the names of the workers seen in the last seconds, in order."""
    since = func.now() - timedelta(seconds=seconds)
    return list(session.scalars(select(Worker.name).where(Worker.seen_at > since).order_by("name")))
