"""The state of a connection to Label Studio: found, shown, and woken for its next pass."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.db.queries import label_studio as queries
from app.db.queries import label_studio_tasks as task_queries
from app.db.queries import projects
from app.db.queries.label_studio import TaskCounts
from app.db.tables import LabelStudioConnection
from app.domain.errors import LabelStudioNotConnected, NotFound, ProjectArchived


@dataclass(frozen=True)
class ConnectionFacts:
    """A connection as its lead sees it, without its token."""

    connection: LabelStudioConnection
    counts: TaskCounts
    waiting: Mapping[str, int]


def require(session: Session, project_id: int) -> LabelStudioConnection:
    """Return the project's connection.

    Raises:
        LabelStudioNotConnected: there is none.
    """
    projects.get(session, project_id)
    connection = queries.of_project(session, project_id)
    if connection is None:
        raise LabelStudioNotConnected(
            f"Project {project_id} is not connected to Label Studio; connect it in its settings, "
            f"or by svp labelstudio connect {project_id} --url ... --token ..."
        )
    return connection


def read_connection(session: Session, connection: LabelStudioConnection) -> ConnectionFacts:
    """Return how a connection does."""
    counts = queries.counts(session, connection.id)
    return ConnectionFacts(connection, counts, queries.waiting_codes(session, connection.id))


def webhook_path(connection_id: int) -> str:
    """Return the path that Label Studio's webhooks call."""
    return f"/api/v1/label-studio/{connection_id}/webhook"


def wake(session: Session, connection_id: int, secret: str | None) -> None:
    """Note that something happened in Label Studio; the next pass begins at once.

    Raises:
        NotFound: there is no such connection, or the secret is not its own.
    """
    known = queries.webhook_secret_of(session, connection_id)
    given = (secret or "").encode(errors="replace")
    if known is None or not hmac.compare_digest(known.encode(), given):
        raise NotFound("connection to Label Studio with this secret", connection_id)
    queries.wake(session, connection_id)


def exchange_soon(session: Session, project_id: int, *, again: bool) -> None:
    """Let the next pass begin at once, however often the last ones failed.

    Locks the connection alone: a pass locks that first, and the project after it.

    Args:
        session: in a transaction.
        project_id: whose connection.
        again: push items, too, whose tasks somebody deleted there.

    Raises:
        LabelStudioNotConnected: there is no connection.
        ProjectArchived: the project can only be read.
    """
    connection = require(session, project_id)
    if projects.get(session, project_id).archived_at is not None:
        raise ProjectArchived(project_id)
    queries.let_begin(session, connection.id)
    if again:
        task_queries.forgive_deletions(session, connection.id)
