"""Starts the process that predicts given items when somebody asks and none runs."""

import contextlib
import subprocess

from app.config import environment_without_settings
from app.db.queries import predictions as queries
from app.db.session import transaction
from workers.jobs.watchers import Watcher
from workers.processes import module_command

COMMAND = tuple(module_command("workers.jobs.predicting"))
# A request that no process has taken by then has none; then one worker at a time tries it.
WAITED_SECONDS = 0.2
AGAIN_SECONDS = 20.0
STOP_SECONDS = 5.0


class PredictionStarter(Watcher):
    """Starts the process that predicts; `settings` name the database."""

    part = "predictions"

    def prepare(self) -> None:
        """Begin without a process."""
        self.process: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        """Start the process if a request waits and no other has taken it."""
        if not self._stopped.wait(WAITED_SECONDS):
            self._start_if_needed()

    def _start_if_needed(self) -> None:
        if self.process is not None and self.process.poll() is None:
            return
        with transaction(self._factory) as session:
            is_ours = queries.call(session, WAITED_SECONDS / 2, AGAIN_SECONDS)
        if not is_ours:
            return
        self.end()
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            COMMAND,
            stdin=subprocess.PIPE,
            env={**environment_without_settings(), **self._settings.to_environment()},
            start_new_session=True,
        )
        self._log.info("predictions.started", pid=self.process.pid)

    def end(self) -> None:
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
