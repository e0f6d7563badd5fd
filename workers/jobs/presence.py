"""Reports a running worker to the database, for readiness and `svp doctor`."""

import os
import socket
import threading
import time
from uuid import uuid4

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.config import Settings
from app.db.session import transaction
from app.services import workers
from workers.jobs.runner import JobRunner

SAY_SECONDS = 5.0
# A worker that has not looked at rows or at its job for so long hangs, and is not there.
HANGS_AFTER_SECONDS = 30.0


class Presence(threading.Thread):
    """Reports this worker every 5 s, as long as it works."""

    def __init__(self, settings: Settings, runner: JobRunner, stopped: threading.Event) -> None:
        super().__init__(name="presence", daemon=True)
        self._queues = settings.queues
        self._runner = runner
        self._stopped = stopped
        self._id = uuid4()
        self._name = f"{socket.gethostname()}:{os.getpid()}"

    def run(self) -> None:
        """Report until `stopped`, then report that the worker has gone."""
        log = structlog.get_logger()
        while True:
            stops = self._stopped.is_set()
            try:
                with transaction(self._runner.factory) as session:
                    if stops:
                        workers.leave(session, self._id)
                    elif time.monotonic() - self._runner.turned_at < HANGS_AFTER_SECONDS:
                        workers.say(session, self._id, self._name, self._queues)
            except SQLAlchemyError as error:
                log.warning("worker.presence_failed", reason=str(error).strip())
            if stops:
                return
            self._stopped.wait(SAY_SECONDS)
