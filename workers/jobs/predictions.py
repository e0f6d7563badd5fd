"""Starts the process that predicts given items when somebody asks and none runs."""

import contextlib
import subprocess
import threading

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings, environment_without_settings
from app.db.queries import predictions as queries
from app.db.session import transaction
from workers.processes import module_command

COMMAND = tuple(module_command("workers.jobs.predicting"))
POLL_SECONDS = 1.0
# A request that no process has taken by then has none; then one worker at a time tries it.
WAITED_SECONDS = 0.2
AGAIN_SECONDS = 20.0
STOP_SECONDS = 5.0


class PredictionStarter(threading.Thread):
    """Looks at every wake-up and every second; `settings` name the database."""

    def __init__(
        self,
        factory: sessionmaker[Session],
        settings: Settings,
        woken: threading.Event,
        stopped: threading.Event,
    ) -> None:
        super().__init__(name="predictions", daemon=True)
        self._factory = factory
        self._settings = settings
        self._woken = woken
        self._stopped = stopped
        self.process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Look until `stopped`; then end the process."""
        while not self._stopped.is_set():
            self._woken.wait(POLL_SECONDS)
            self._woken.clear()
            if self._stopped.wait(WAITED_SECONDS):
                break
            try:
                self._start_if_needed()
            except (SQLAlchemyError, OSError) as error:  # the next look tries again
                structlog.get_logger().warning("predictions.not_started", reason=str(error).strip())
                self._stopped.wait(POLL_SECONDS)
        self._end()

    def _start_if_needed(self) -> None:
        if self.process is not None and self.process.poll() is None:
            return
        with transaction(self._factory) as session:
            is_ours = queries.call(session, WAITED_SECONDS / 2, AGAIN_SECONDS)
        if not is_ours:
            return
        self._end()
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            COMMAND,
            stdin=subprocess.PIPE,
            env={**environment_without_settings(), **self._settings.to_environment()},
            start_new_session=True,
        )
        structlog.get_logger().info("predictions.started", pid=self.process.pid)

    def _end(self) -> None:
        """End the process, if there is one."""
        if self.process is None:
            return
        assert self.process.stdin is not None  # noqa: S101 - piped above
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
