"""The supervisor of jobs: claims a row, lets a process of its own do it, keeps its lease alive.

Runs in a thread of the worker; never imports torch.
"""

import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.session import transaction
from app.db.tables import JobKind
from app.domain.errors import StorageFull
from app.services import jobs
from app.services.jobs import COMPUTING, ClaimedJob, Heartbeat
from app.storage.room import check_room
from workers.jobs.process import Child
from workers.jobs.protocol import DONE, FAILED, FENCED, STOP_LINE, STOPPED, claimed_to_line
from workers.processes import module_command

CHILD_COMMAND = tuple(module_command("workers.jobs.child"))
PACKING_COMMAND = tuple(module_command("workers.jobs.packing.child"))
TOO_LONG = -1000  # no exit code of a process
STOP_SECONDS = 15.0
WATCH_SECONDS = 0.1
LOOK_SECONDS = 1.0
# How long a child may be stopped by a signal, and for how many leases it may lock its row.
STOPPED_SECONDS = 5.0
LOCKED_LEASES = 2
SETTLE_PAUSE_SECONDS = 0.5
SAY_FULL_SECONDS = 60.0


class JobRunner:
    """Runs one job at a time, of these kinds; a second call waits for the first.

    While it has a job, the runner `beside` it has none: that one's goes back to the queue.
    """

    def __init__(  # noqa: PLR0913 - by name: what it runs, beside whom
        self,
        settings: Settings,
        factory: sessionmaker[Session],
        child_command: Sequence[str] = CHILD_COMMAND,
        *,
        kinds: Collection[JobKind] = COMPUTING,
        keeps_spare: bool = True,
        beside: "JobRunner | None" = None,
    ) -> None:
        self.settings = settings
        self.factory = factory
        self.child_command = child_command
        self._kinds = kinds
        self._keeps_spare = keeps_spare
        self._beside = beside
        self._stop = threading.Event()
        self._gives_way = threading.Event()
        self._lock = threading.Lock()
        self._spare: Child | None = None
        self._log = structlog.get_logger()
        self._queues = settings.queues.split(",")
        self._said_full_at = float("-inf")
        self.turned_at = time.monotonic()  # when it last looked at rows or at the running job

    def warm_up(self) -> None:
        """Start the spare child, so that the next job begins at once."""
        if self._keeps_spare and self._spare is None and not self._stop.is_set():
            self._spare = Child(self.child_command)

    def run(self, job_id: int) -> bool:
        """Claim and do the job; False if there was nothing to claim (a doubled or late message)."""
        with self._lock:
            if self._must_end() or not self._has_room():
                return False
            with transaction(self.factory) as session:
                claimed = jobs.claim(session, job_id, self.settings, self._kinds)
            if claimed is None:
                return False
            with self._alone():
                self._run_claimed(claimed)
            self.warm_up()
        return True

    def run_waiting(self) -> int:
        """Do every job that waits, whether or not its message came; return how many.

        The order is asked for again after each: a short one may have come meanwhile.
        """
        n_done = 0
        while self._run_first():
            n_done += 1
        return n_done

    def _run_first(self) -> bool:
        """Do the first waiting job that can be claimed; False if there is none."""
        self.turned_at = time.monotonic()
        with transaction(self.factory) as session:
            waiting = jobs.claimable(session, self._queues, self.settings, self._kinds)
        return any(self.run(job_id) for job_id in waiting)

    def _has_room(self) -> bool:
        """Return whether a job may start: without room on the disk for its results it waits."""
        try:
            check_room(self.settings)
        except StorageFull as error:
            if time.monotonic() - self._said_full_at > SAY_FULL_SECONDS:
                self._said_full_at = time.monotonic()
                self._log.warning("worker.waits_for_room", reason=error.detail)
            return False
        return True

    def stop(self) -> None:
        """Take no more jobs; the running one checkpoints and goes back to queued."""
        self._stop.set()

    def give_way(self) -> None:
        """Take no jobs until `go_on`; the running one is queued again and keeps its progress."""
        self._gives_way.set()

    def go_on(self) -> None:
        """Take jobs again."""
        self._gives_way.clear()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Pause the other runner during the block: it would slow this job and spoil its seconds."""
        if self._beside is None:
            yield
            return
        self._beside.give_way()
        try:
            yield
        finally:
            self._beside.go_on()

    def _must_end(self) -> bool:
        return self._stop.is_set() or self._gives_way.is_set()

    def close(self) -> None:
        """End the spare child; call after `stop`, when no job runs."""
        with self._lock:
            if self._spare is not None:
                self._spare.kill()
                self._spare = None

    def _run_claimed(self, claimed: ClaimedJob) -> None:
        child, self._spare = self._spare or Child(self.child_command), None
        if not child.is_alive:  # the spare died while it waited
            child.kill()
            child = Child(self.child_command)
        child.forget()
        child.send(claimed_to_line(claimed))
        self._log.info("job.claimed", job_id=claimed.id, kind=claimed.kind, pid=child.process.pid)
        code = self._watch(claimed, child)
        self._settle(claimed, child, code)
        if code != FENCED:
            self._keep_log(claimed, child)
        self._log.info("job.ended", job_id=claimed.id, exit_code=code)
        if child.is_alive:
            self._spare = child

    def _settle(self, claimed: ClaimedJob, child: Child, code: int) -> None:
        """Write the attempt's end if the child has not; if that fails, the sweeper will.

        Repeated while the database is away, or still ends the transaction of a killed child.
        """
        deadline = time.monotonic() + self.settings.job_lease_seconds
        while code not in (DONE, FENCED):
            try:
                with transaction(self.factory) as session:
                    if code == STOPPED:
                        jobs.give_back(session, claimed.id, claimed.token)
                    else:
                        why = child.why_it_ended(code)
                        jobs.fail_attempt(
                            session, claimed.id, claimed.token, why, for_good=code == TOO_LONG
                        )
            except SQLAlchemyError as error:
                self._log.warning("job.not_settled", job_id=claimed.id, reason=str(error))
                if time.monotonic() > deadline or self._stop.wait(SETTLE_PAUSE_SECONDS):
                    return
            else:
                return

    def _watch(self, claimed: ClaimedJob, child: Child) -> int:
        """Keep the lease alive until the child ends; return its exit code."""
        began_at = beat_at = extended_at = looked_at = time.monotonic()
        while not self._must_end():
            code = child.wait(WATCH_SECONDS)
            if code is not None:
                return code
            now = self.turned_at = time.monotonic()
            if now - looked_at >= LOOK_SECONDS:
                looked_at = now
                code = self._end_if_hopeless(child, now - began_at)
                if code is not None:
                    return code
            if now - beat_at < self.settings.heartbeat_seconds:
                continue
            beat_at = now
            beat = self._heartbeat(claimed, child)
            if beat is Heartbeat.FENCED:
                child.kill()
                return FENCED
            if beat is Heartbeat.EXTENDED:
                extended_at = now
            elif now - extended_at > LOCKED_LEASES * self.settings.job_lease_seconds:
                return _kill(child, f"it kept its row locked for {now - extended_at:.0f} s")
        child.send(STOP_LINE)
        code = child.wait(STOP_SECONDS)
        if code is None:
            child.kill()
            return STOPPED
        return code

    def _end_if_hopeless(self, child: Child, seconds: float) -> int | None:
        """Kill a child that has run for too long or stands still; return its exit code, if so."""
        if seconds > self.settings.job_max_seconds:
            child.kill(_too_long(self.settings.job_max_seconds))
            return TOO_LONG
        if child.seconds_stopped() >= STOPPED_SECONDS:
            return _kill(child, f"a signal had stopped it for {STOPPED_SECONDS:.0f} s")
        return None

    def _keep_log(self, claimed: ClaimedJob, child: Child) -> None:
        """Store what the child has logged, for who looks at the job; a failure costs no job."""
        try:
            with transaction(self.factory) as session:
                jobs.keep_log(session, claimed.id, child.log)
        except SQLAlchemyError as error:
            self._log.warning("job.log_not_kept", job_id=claimed.id, reason=str(error))

    def _heartbeat(self, claimed: ClaimedJob, child: Child) -> Heartbeat:
        """Extend the lease, or say why not; keep the log of who still has the job."""
        try:
            with transaction(self.factory) as session:
                beat = jobs.heartbeat(
                    session, claimed.id, claimed.token, self.settings.job_lease_seconds
                )
                if beat is Heartbeat.EXTENDED:
                    jobs.keep_log(session, claimed.id, child.log)
                return beat
        except SQLAlchemyError as error:
            # The lease outlives a short absence of the database; the fence guards the rest.
            self._log.warning("job.heartbeat_failed", job_id=claimed.id, reason=str(error))
            return Heartbeat.EXTENDED


def _too_long(seconds: float) -> str:
    return (
        f"it ran for more than {seconds:,.0f} s (SVP_JOB_MAX_SECONDS): choose a smaller model or "
        "fewer epochs, or raise that limit, and retry it"
    )


def _kill(child: Child, because: str) -> int:
    child.kill(because)
    return FAILED
