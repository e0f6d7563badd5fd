"""The process of one job as its supervisor wants it: takes a line, does the job, exits.

Stdin ties its life to the supervisor's: its end ends this process at once, wherever it is.
"""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import NoReturn, TypeVar

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from structlog.contextvars import bind_contextvars

from app.config import Settings, read_settings
from app.db.session import PATIENT, make_engine, make_session_factory, transaction
from app.db.tables import Project
from app.domain.errors import JobFenced
from app.logging import configure_logging
from app.queue import make_publisher
from app.storage.artifacts import ArtifactStore
from workers.jobs.attempt import Attempt
from workers.jobs.protocol import DONE, FAILED, FENCED, STOP_LINE, STOPPED, claimed_from_line

A = TypeVar("A", bound=Attempt)


def serve_one_job(
    kind: type[A],
    prepare: Callable[[Settings], None],
    do: Callable[[A], None],
    stops: tuple[type[Exception], ...],
) -> NoReturn:
    """Prepare, wait for a job, do it, exit with the code that tells the supervisor how it ended.

    Args:
        kind: of the attempt.
        prepare: called before the job is waited for.
        do: does the job.
        stops: what it raises where `should_stop` asked it to stop.
    """
    try:
        code = _serve(kind, prepare, do, stops)
    except Exception:  # noqa: BLE001 - the supervisor keeps its last lines as the reason
        traceback.print_exc()
        code = FAILED
    sys.stdout.flush()
    # Threads that wait on stdin or on torch's pool must not hold the exit up.
    os._exit(code)


def _serve(
    kind: type[A],
    prepare: Callable[[Settings], None],
    do: Callable[[A], None],
    stops: tuple[type[Exception], ...],
) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor handles a terminal's Ctrl-C
    settings = read_settings()
    configure_logging(settings)
    factory = _connect(settings)
    store = ArtifactStore(settings.artifact_store_url)
    prepare(settings)
    line = sys.stdin.readline()
    if not line:
        return DONE
    claimed = claimed_from_line(line)
    stop = threading.Event()
    threading.Thread(target=_watch_stdin, args=(stop,), daemon=True).start()
    bind_contextvars(job_id=claimed.id, request_id=claimed.request_id)
    return _attempt(kind(claimed, settings, factory, store, stop.is_set), do, stops)


def _watch_stdin(stop: threading.Event) -> None:
    for line in sys.stdin:
        if line == STOP_LINE:
            stop.set()
    os._exit(FAILED)


def _connect(settings: Settings) -> sessionmaker[Session]:
    """Return the database's sessions, and look at it once: what is used first takes longest."""
    if settings.database_url is None:
        raise ValueError("SVP_DATABASE_URL is not set.")
    timeouts = replace(PATIENT, statement_seconds=settings.worker_statement_timeout_seconds)
    url = settings.database_url.get_secret_value()
    engine = make_engine(url, pool_size=2, timeouts=timeouts)
    factory = make_session_factory(engine, make_publisher(settings))
    # A job that comes while the database is away finds out by itself.
    with suppress(SQLAlchemyError), transaction(factory) as session:
        session.scalars(select(Project).limit(1)).all()
    return factory


def _attempt(attempt: A, do: Callable[[A], None], stops: tuple[type[Exception], ...]) -> int:
    log = structlog.get_logger()
    try:
        log.info("job.started", kind=attempt.claimed.kind, attempt=attempt.claimed.attempts)
        do(attempt)
    except stops:
        log.info("job.stopped")
        return STOPPED
    except JobFenced:
        log.warning("job.fenced")
        return FENCED
    log.info("job.finished")
    return DONE
