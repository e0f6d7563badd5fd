"""The supervisor of jobs: claims a row, lets a process of its own do it, keeps its lease alive.

Runs in the worker's one thread; never imports torch.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.session import transaction
from app.services import jobs
from app.services.jobs import ClaimedJob
from workers.processes import module_command
from workers.protocol import DONE, FENCED, STOP_LINE, STOPPED, claimed_to_line

CHILD_COMMAND = tuple(module_command("workers.job_child"))
STOP_SECONDS = 15.0
WATCH_SECONDS = 0.1
TAIL_LINES = 15


class Child:
    """A Python process that waits with torch imported until it gets a job."""

    def __init__(self, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            command,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._reader = threading.Thread(target=self._pass_through, daemon=True)
        self._reader.start()

    def send(self, line: str) -> None:
        """Write a line to the child; one that has gone is found by its exit code."""
        assert self.process.stdin is not None  # noqa: S101 - piped above
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(line)
            self.process.stdin.flush()

    def kill(self) -> None:
        """Kill the child and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._close()

    def wait(self, seconds: float) -> int | None:
        """Return the exit code, or None if it still runs after `seconds`."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._close()
        return code

    def _close(self) -> None:
        assert self.process.stdin is not None  # noqa: S101 - piped above
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self._reader.join(timeout=2)

    def _pass_through(self) -> None:
        assert self.process.stderr is not None  # noqa: S101 - piped above
        with self.process.stderr as stderr:
            for line in stderr:
                self.tail.append(line.rstrip())
                sys.stderr.write(line)


class JobRunner:
    """Runs one job at a time; a second call waits for the first."""

    def __init__(
        self,
        settings: Settings,
        factory: sessionmaker[Session],
        child_command: Sequence[str] = CHILD_COMMAND,
    ) -> None:
        self.settings = settings
        self.factory = factory
        self.child_command = child_command
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._spare: Child | None = None
        self._log = structlog.get_logger()

    def warm_up(self) -> None:
        """Start the spare child, so that the next job begins at once."""
        if self._spare is None and not self._stop.is_set():
            self._spare = Child(self.child_command)

    def run(self, job_id: int) -> bool:
        """Claim and do the job; False if there was nothing to claim (a doubled or late message)."""
        with self._lock:
            if self._stop.is_set():
                return False
            with transaction(self.factory) as session:
                claimed = jobs.claim(session, job_id, self.settings)
            if claimed is None:
                return False
            self._run_claimed(claimed)
            self.warm_up()
        return True

    def run_waiting(self, queues: Sequence[str]) -> int:
        """Do every job that waits, whether or not its message came; return how many."""
        with transaction(self.factory) as session:
            waiting = jobs.claimable(session, queues)
        return sum(self.run(job_id) for job_id in waiting)

    def stop(self) -> None:
        """Take no more jobs; the running one checkpoints and goes back to queued."""
        self._stop.set()

    def close(self) -> None:
        """End the spare child; call after `stop`, when no job runs."""
        with self._lock:
            if self._spare is not None:
                self._spare.kill()
                self._spare = None

    def _run_claimed(self, claimed: ClaimedJob) -> None:
        child, self._spare = self._spare or Child(self.child_command), None
        if child.process.poll() is not None:  # the spare died while it waited
            child = Child(self.child_command)
        child.send(claimed_to_line(claimed))
        self._log.info("job.claimed", job_id=claimed.id, pid=child.process.pid)
        code = self._watch(claimed, child)
        with transaction(self.factory) as session:
            if code == STOPPED:
                jobs.give_back(session, claimed.id, claimed.token)
            elif code not in (DONE, FENCED):
                jobs.fail_attempt(session, claimed.id, claimed.token, _reason(code, child))
        self._log.info("job.ended", job_id=claimed.id, exit_code=code)

    def _watch(self, claimed: ClaimedJob, child: Child) -> int:
        """Keep the lease alive until the child ends; return its exit code."""
        beat_at = time.monotonic()
        while not self._stop.is_set():
            code = child.wait(WATCH_SECONDS)
            if code is not None:
                return code
            if time.monotonic() - beat_at < self.settings.heartbeat_seconds:
                continue
            beat_at = time.monotonic()
            if not self._heartbeat(claimed):
                child.kill()
                return FENCED
        child.send(STOP_LINE)
        code = child.wait(STOP_SECONDS)
        if code is None:
            child.kill()
            return STOPPED
        return code

    def _heartbeat(self, claimed: ClaimedJob) -> bool:
        """Extend the lease; False if the job was taken away."""
        try:
            with transaction(self.factory) as session:
                return jobs.heartbeat(
                    session, claimed.id, claimed.token, self.settings.job_lease_seconds
                )
        except SQLAlchemyError as error:
            # The lease outlives a short absence of the database; the fence guards the rest.
            self._log.warning("job.heartbeat_failed", job_id=claimed.id, reason=str(error))
            return True


def _reason(code: int, child: Child) -> str:
    """Return why an attempt ended, with the child's last words."""
    if code < 0:
        name = signal.Signals(-code).name
        why = f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    else:
        why = f"exit code {code}"
    return f"{why}: " + "\n".join(child.tail)
