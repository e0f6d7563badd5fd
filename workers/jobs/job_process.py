"""The loop of a job's process: takes a line from its supervisor, does the job, exits or waits.

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
from queue import SimpleQueue
from typing import NoReturn, TypeVar

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from structlog.contextvars import bind_contextvars, clear_contextvars

from app.config import Settings, read_settings
from app.db.session import PATIENT, make_engine, make_session_factory, transaction
from app.db.tables import Project
from app.domain.errors import JobFenced
from app.logging import configure_logging
from app.queue import make_publisher
from app.storage.artifacts import ArtifactStore
from workers.jobs.attempt import Attempt
from workers.jobs.protocol import (
    DONE,
    FAILED,
    FENCED,
    READY,
    READY_FD,
    STOP_LINE,
    STOPPED,
    claimed_from_line,
)

A = TypeVar("A", bound=Attempt)


def serve_jobs(
    kind: type[A],
    prepare: Callable[[Settings], None],
    do: Callable[[A], None],
    stops: tuple[type[Exception], ...],
    may_go_on: Callable[[], bool],
) -> NoReturn:
    """Prepare, wait for a job, do it; wait for another, or exit with the job's code.

    Args:
        kind: of the attempt.
        prepare: called before a job is waited for.
        do: does the job.
        stops: what it raises where `should_stop` asked it to stop.
        may_go_on: whether this process may do another job after one that it did to its end.
    """
    try:
        code = _serve(kind, prepare, do, stops, may_go_on)
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
    may_go_on: Callable[[], bool],
) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor handles a terminal's Ctrl-C
    settings = read_settings()
    configure_logging(settings)
    factory = _connect(settings)
    store = ArtifactStore(settings.artifact_store_url)
    prepare(settings)
    orders = _Orders()
    while (line := orders.next_job()) is not None:
        claimed = claimed_from_line(line)
        bind_contextvars(job_id=claimed.id, request_id=claimed.request_id)
        attempt = kind(claimed, settings, factory, store, orders.stop.is_set)
        code = _attempt(attempt, do, stops)
        if code != DONE or not may_go_on():
            return code
        clear_contextvars()
        orders.say_ready()
    return DONE


class _Orders:
    """Reads the supervisor's lines: jobs, one after another, and `stop` for the one at work.

    The end of them while a job is at work ends this process at once.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._jobs: SimpleQueue[str | None] = SimpleQueue()
        self._is_at_work = False
        threading.Thread(target=self._read, daemon=True).start()

    def next_job(self) -> str | None:
        """Wait for a job's line and return it; None at the end."""
        return self._jobs.get()

    def say_ready(self) -> None:
        """Tell the supervisor that the job is done and another one can come."""
        self.stop.clear()
        self._is_at_work = False
        os.write(int(os.environ[READY_FD]), READY)

    def _read(self) -> None:
        for line in sys.stdin:
            if line == STOP_LINE:
                self.stop.set()
            else:
                self._is_at_work = True
                self._jobs.put(line)
        if self._is_at_work:
            os._exit(FAILED)
        self._jobs.put(None)


def _connect(settings: Settings) -> sessionmaker[Session]:
    """Return sessions on the database after one query: the first use takes longest."""
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
