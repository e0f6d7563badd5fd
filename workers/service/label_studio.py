"""The loop that keeps connected projects in step with Label Studio."""

import threading
from concurrent.futures import ThreadPoolExecutor

import structlog
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import label_studio as queries
from app.db.session import transaction
from app.domain.errors import DomainError, LabelStudioBusy
from app.services.label_studio_sync import sync

LOOK_SECONDS = 0.25  # for webhooks that woke a connection
IDLE_LOOK_SECONDS = 2.0  # while there is none
LONGEST_PAUSE_SECONDS = 300.0  # between tries of one that fails
AT_ONCE = 4


def run_label_studio(
    factory: sessionmaker[Session], settings: Settings, stopped: threading.Event
) -> None:
    """Synchronise every connection when it is due, until `stopped`.

    A pass that fails says so in its connection and in the log, and is tried again later and later;
    the others go on. A database that is away is waited for.
    """
    log = structlog.get_logger()
    busy: set[int] = set()
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="label-studio") as passes:
        while not stopped.is_set():
            pause = LOOK_SECONDS
            try:
                with transaction(factory) as session:
                    due = queries.due(
                        session, settings.label_studio_poll_seconds, LONGEST_PAUSE_SECONDS
                    )
                    if not due and not queries.exist(session):
                        pause = IDLE_LOOK_SECONDS
            except Exception as error:  # noqa: BLE001 - the next look tries again
                log.warning("label_studio.look_failed", reason=str(error).splitlines()[0])
                due, pause = [], IDLE_LOOK_SECONDS
            for connection_id in due:
                if connection_id not in busy:
                    busy.add(connection_id)
                    passes.submit(_sync_one, factory, connection_id, settings, busy)
            stopped.wait(pause)


def _sync_one(
    factory: sessionmaker[Session], connection_id: int, settings: Settings, busy: set[int]
) -> None:
    log = structlog.get_logger().bind(connection=connection_id)
    try:
        done = sync(factory, connection_id, settings)
    except LabelStudioBusy:
        log.debug("label_studio.busy")
    except DomainError as error:
        log.warning("label_studio.sync_failed", code=error.code, reason=error.detail)
    except Exception as error:
        log.exception("label_studio.sync_failed", code="internal_error", reason=str(error))
    else:
        if done.n_answers or done.n_pushed or done.n_deleted:
            log.info(
                "label_studio.synced",
                n_answers=done.n_answers,
                n_pushed=done.n_pushed,
                n_deleted=done.n_deleted,
            )
    finally:
        busy.discard(connection_id)
