"""Statements on connections to Label Studio: who synchronises them, and what is due."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.db.tables import LabelStudioConnection, LabelStudioUser, LabelStudioWake

_CONNECTION = LabelStudioConnection
HOLD = timedelta(minutes=2)  # longer than any request with its retries


@dataclass(frozen=True)
class TaskCounts:
    """How many tasks of a connection are in which state."""

    n_live: int
    n_gone: int
    n_waiting: int  # annotations that are not applied yet


def of_project(session: Session, project_id: int) -> LabelStudioConnection | None:
    """Return the project's connection."""
    return session.scalar(select(_CONNECTION).where(_CONNECTION.project_id == project_id))


def lock_of_project(session: Session, project_id: int) -> LabelStudioConnection | None:
    """Return the project's connection with its row locked; before the project, as a pass does."""
    return session.scalar(
        select(_CONNECTION)
        .where(_CONNECTION.project_id == project_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def get(session: Session, connection_id: int) -> LabelStudioConnection | None:
    """Return a connection."""
    return session.get(_CONNECTION, connection_id)


def list_all(session: Session) -> Sequence[LabelStudioConnection]:
    """Return every connection, oldest first."""
    return session.scalars(select(_CONNECTION).order_by(_CONNECTION.id)).all()


def exist(session: Session) -> bool:
    """Return whether there is any connection."""
    return bool(session.scalar(select(exists(select(_CONNECTION.id)))))


def token_of(session: Session, connection_id: int) -> str:
    """Return the token of Label Studio; for its client alone."""
    statement = select(_CONNECTION.token).where(_CONNECTION.id == connection_id)
    return session.scalars(statement).one()


def webhook_secret_of(session: Session, connection_id: int) -> str | None:
    """Return the secret that its webhooks carry; None: no such connection."""
    statement = select(_CONNECTION.webhook_secret).where(_CONNECTION.id == connection_id)
    return session.scalar(statement)


def origins_of(session: Session, project_id: int) -> Sequence[str]:
    """Return the origins whose pages may read the project's images."""
    statement = select(_CONNECTION.origin).where(_CONNECTION.project_id == project_id)
    return session.scalars(statement).all()


def save(session: Session, project_id: int, **fields: Any) -> LabelStudioConnection:
    """Insert the project's connection, or change the one that it has."""
    session.execute(
        insert(_CONNECTION)
        .values(project_id=project_id, **fields)
        .on_conflict_do_update(index_elements=[_CONNECTION.project_id], set_=fields)
    )
    found = of_project(session, project_id)
    assert found is not None  # noqa: S101 - it was inserted
    session.refresh(found)
    return found


def note_webhook(session: Session, connection_id: int, webhook_id: int) -> None:
    """Note which webhook there wakes the connection."""
    session.execute(
        update(_CONNECTION).where(_CONNECTION.id == connection_id).values(webhook_id=webhook_id)
    )


def remove(session: Session, connection_id: int) -> None:
    """Delete a connection with its tasks, annotations and users."""
    session.execute(delete(_CONNECTION).where(_CONNECTION.id == connection_id))


def wake(session: Session, connection_id: int) -> None:
    """Note that something happened there."""
    now = func.clock_timestamp()
    session.execute(
        insert(LabelStudioWake)
        .values(connection_id=connection_id, woken_at=now)
        .on_conflict_do_update(
            index_elements=[LabelStudioWake.connection_id], set_={"woken_at": now}
        )
    )


def due(session: Session, poll_seconds: float, most_seconds: float) -> Sequence[int]:
    """Return the connections to synchronise now, those that wait longest first.

    Woken ones, and those whose last pass began `poll_seconds` ago; after failures later and later.
    """
    rows = session.scalars(_DUE, {"poll": poll_seconds, "most": most_seconds})
    return rows.all()


def let_begin(session: Session, connection_id: int) -> None:
    """Make the connection due, however often its last passes failed."""
    session.execute(
        update(_CONNECTION).where(_CONNECTION.id == connection_id).values(begun_at=None)
    )


_DUE = text(
    """
    SELECT c.id FROM label_studio_connections AS c JOIN projects AS p ON p.id = c.project_id
    LEFT JOIN label_studio_wakes AS wake ON wake.connection_id = c.id
    WHERE p.state <> 'deleting' AND p.archived_at IS NULL AND p.state <> 'draft'
        AND (
            c.begun_at IS NULL
            OR wake.woken_at > c.begun_at AND c.n_failures = 0
            OR c.begun_at <= now() - make_interval(
                secs => least(:most, :poll * power(2, least(c.n_failures, 10))))
        )
    ORDER BY c.begun_at NULLS FIRST
    """
)


def claim(session: Session, connection_id: int, holder: UUID, held_by: str) -> bool:
    """Let this holder synchronise the connection, unless another does."""
    row = session.execute(
        update(_CONNECTION)
        .where(
            _CONNECTION.id == connection_id,
            or_(_CONNECTION.held_until.is_(None), _CONNECTION.held_until <= func.now()),
        )
        .values(
            holder=holder,
            held_by=held_by,
            held_until=func.clock_timestamp() + HOLD,
            begun_at=func.clock_timestamp(),
        )
        .returning(_CONNECTION.id)
    ).one_or_none()
    return row is not None


def free(session: Session, connection_id: int, held_by: str) -> None:
    """End the claim of a process that is dead."""
    session.execute(
        update(_CONNECTION)
        .where(_CONNECTION.id == connection_id, _CONNECTION.held_by == held_by)
        .values(holder=None, held_by=None, held_until=None)
    )


def keep(session: Session, connection_id: int, holder: UUID, **fields: Any) -> bool:
    """Renew the holder's claim and change fields; False: it was taken over or is gone."""
    row = session.execute(
        update(_CONNECTION)
        .where(_CONNECTION.id == connection_id, _CONNECTION.holder == holder)
        .values(held_until=func.clock_timestamp() + HOLD, **fields)
        .returning(_CONNECTION.id)
    ).one_or_none()
    return row is not None


def let_go(session: Session, connection_id: int, holder: UUID, **fields: Any) -> None:
    """End the holder's claim and change fields."""
    session.execute(
        update(_CONNECTION)
        .where(_CONNECTION.id == connection_id, _CONNECTION.holder == holder)
        .values(holder=None, held_by=None, held_until=None, **fields)
    )


def counts(session: Session, connection_id: int) -> TaskCounts:
    """Count the connection's tasks, and its annotations that wait."""
    row = session.execute(_COUNTS, {"connection": connection_id}).one()
    return TaskCounts(*row)


_COUNTS = text(
    """
    SELECT count(*) FILTER (WHERE state = 'live'), count(*) FILTER (WHERE state = 'gone'),
        (SELECT count(*) FROM label_studio_annotations
         WHERE connection_id = :connection AND is_pending)
    FROM label_studio_tasks WHERE connection_id = :connection
    """
)


def waiting_codes(session: Session, connection_id: int) -> dict[str, int]:
    """Return why annotations wait -> how many."""
    rows = session.execute(
        text(
            "SELECT coalesce(code, 'new'), count(*) FROM label_studio_annotations "
            "WHERE connection_id = :connection AND is_pending GROUP BY 1 ORDER BY 1"
        ),
        {"connection": connection_id},
    )
    return {code: n for code, n in rows}  # noqa: C416 - dict(rows) loses the types


def known_users(session: Session, connection_id: int) -> dict[int, int]:
    """Return user id there -> annotator."""
    rows = session.execute(
        select(LabelStudioUser.user_id, LabelStudioUser.annotator_id).where(
            LabelStudioUser.connection_id == connection_id
        )
    )
    return {user: annotator for user, annotator in rows}  # noqa: C416 - types


def note_users(session: Session, connection_id: int, annotators: Mapping[int, int]) -> None:
    """Note who these users are here; one who is known stays who they are."""
    if not annotators:
        return
    rows = [
        {"connection_id": connection_id, "user_id": user, "annotator_id": annotator}
        for user, annotator in annotators.items()
    ]
    session.execute(insert(LabelStudioUser).values(rows).on_conflict_do_nothing())
