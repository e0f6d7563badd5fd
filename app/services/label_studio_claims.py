"""Claims on connections to Label Studio: one process at a time synchronises one."""

import os
import socket
import time
from uuid import UUID, uuid4

import psutil
from sqlalchemy import func
from sqlalchemy.orm import Session, sessionmaker

from app.db.queries import label_studio as queries
from app.db.session import transaction
from app.db.tables import LabelStudioConnection
from app.domain.errors import DomainError, LabelStudioBusy, LabelStudioNotConnected

Factory = sessionmaker[Session]
BUSY_PAUSE_SECONDS = 0.5


def claim(factory: Factory, connection_id: int, patience_seconds: float) -> UUID:
    """Return the token of this process' claim; the claim of a process that died here ends.

    Raises:
        LabelStudioBusy: another process held the connection for longer than `patience_seconds`.
        LabelStudioNotConnected: there is no such connection.
    """
    holder, until = uuid4(), time.monotonic() + patience_seconds
    held_by = f"{os.getpid()}@{socket.gethostname()}"
    while True:
        with transaction(factory) as session:
            other = get_connection(session, connection_id).held_by
            if other is not None and _is_dead(other):
                queries.free(session, connection_id, other)
            if queries.claim(session, connection_id, holder, held_by):
                return holder
        if time.monotonic() >= until:
            raise LabelStudioBusy(
                "Another process synchronises this project with Label Studio; it ends by itself."
            )
        time.sleep(BUSY_PAUSE_SECONDS)


def let_go(factory: Factory, connection_id: int, holder: UUID, error: BaseException | None) -> None:
    """End the claim, and note that the pass succeeded or why it failed."""
    now = func.clock_timestamp()
    with transaction(factory) as session:
        if error is None:
            done = {"n_failures": 0, "error_code": None, "error": None}
            queries.let_go(session, connection_id, holder, synced_at=now, **done)
            return
        code, detail = "internal_error", type(error).__name__
        if isinstance(error, DomainError):
            code, detail = error.code, error.detail
        queries.let_go(
            session,
            connection_id,
            holder,
            failed_at=now,
            n_failures=LabelStudioConnection.n_failures + 1,
            error_code=code,
            error=detail,
        )


def get_connection(session: Session, connection_id: int) -> LabelStudioConnection:
    """Return the connection.

    Raises:
        LabelStudioNotConnected: there is none of this id.
    """
    connection = queries.get(session, connection_id)
    if connection is None:
        raise LabelStudioNotConnected(
            "The project is not connected to Label Studio; connect it: svp labelstudio connect."
        )
    return connection


def _is_dead(held_by: str) -> bool:
    """Return whether a process was on this host and is no more."""
    pid, _, host = held_by.partition("@")
    return host == socket.gethostname() and not psutil.pid_exists(int(pid))
