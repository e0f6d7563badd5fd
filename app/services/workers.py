"""Keeps track of which workers are running."""

from uuid import UUID

from sqlalchemy.orm import Session

from app.db.queries import workers

# Workers report every 5 s that they are running.
SEEN_WITHIN_SECONDS = 30.0
FORGOTTEN_AFTER_SECONDS = 24 * 3600.0


def say(session: Session, worker_id: UUID, name: str, queues: str) -> None:
    """Note that this worker is running now; forget those that have stopped reporting."""
    workers.see(session, worker_id, name, queues)
    workers.forget_unseen(session, FORGOTTEN_AFTER_SECONDS)


def leave(session: Session, worker_id: UUID) -> None:
    """Note that this worker has stopped."""
    workers.forget(session, worker_id)


def present(session: Session) -> list[str]:
    """Return the names of the running workers."""
    return workers.seen_within(session, SEEN_WITHIN_SECONDS)
