"""One attempt at a job: the context of its process, and its writes under the fence."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.session import transaction
from app.services import jobs
from app.services.jobs import ClaimedJob
from app.storage.artifacts import ArtifactStore

WRITE_PAUSE_SECONDS = 1.0


@dataclass
class Attempt:
    """The claimed job, this machine's settings, database and store, and whether to stop."""

    claimed: ClaimedJob
    settings: Settings
    factory: sessionmaker[Session]
    store: ArtifactStore
    should_stop: Callable[[], bool]

    def write_fenced(self, write: Callable[[Session], object]) -> None:
        """Call `write` in a transaction; repeat while the database is away, for as long as a lease.

        What is written is fenced: nothing is written twice.

        Raises:
            JobFenced: the job was taken from this worker, or an earlier try was stored after all.
        """
        deadline = time.monotonic() + self.settings.job_lease_seconds
        while True:
            try:
                with transaction(self.factory) as session:
                    write(session)
            except (OperationalError, InterfaceError) as error:
                if time.monotonic() > deadline or self.should_stop():
                    raise
                structlog.get_logger().warning("job.writes_again", reason=str(error))
                time.sleep(WRITE_PAUSE_SECONDS)
            else:
                return

    def report(self, progress: dict[str, Any]) -> None:
        """Store the progress; if the database is away, a report is lost but not the attempt."""
        try:
            with transaction(self.factory) as session:
                jobs.report_progress(session, self.claimed.id, self.claimed.token, progress)
        except SQLAlchemyError as error:
            structlog.get_logger().warning("job.progress_not_stored", reason=str(error))
