"""A project's connection to Label Studio as the API and pages show it."""

from sqlalchemy.orm import Session

from app.db.queries import label_studio as queries
from app.db.tables import LabelStudioConnection, RoundEnd
from app.schemas.label_studio import LabelStudioOut
from app.services.label_studio_state import read_connection

SHOWN = (
    "url", "project_there", "public_url", "begun_at", "synced_at", "failed_at", "n_failures",
    "error_code", "error", "created_at",
)  # fmt: skip


def present_connection(session: Session, connection: LabelStudioConnection) -> LabelStudioOut:
    """Return a connection as it is now."""
    facts = read_connection(session, connection)
    return LabelStudioOut(
        **{name: getattr(connection, name) for name in SHOWN},
        browser_origin=connection.origin,
        round_end=RoundEnd(connection.round_end),
        has_webhook=connection.webhook_id is not None,
        n_tasks=facts.counts.n_live,
        n_tasks_gone=facts.counts.n_gone,
        n_foreign_tasks=connection.n_foreign,
        n_waiting=facts.counts.n_waiting,
        waiting=dict(facts.waiting),
    )


def present_connection_of(session: Session, project_id: int) -> LabelStudioOut | None:
    """Return the project's connection; None: it has none."""
    connection = queries.of_project(session, project_id)
    return None if connection is None else present_connection(session, connection)
