"""Crashes: a killed worker, a doubled message, a fenced child, a poison job, SIGTERM."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.session import transaction
from app.db.tables import Job, JobKind, Project, Split
from app.domain.errors import JobFenced
from app.domain.states import JobState
from app.services import job_results, jobs
from app.services.lifecycle import cancel_project, finish_project, start_project
from app.services.prepared_items import ItemIn
from app.services.projects import ModelChoice
from models.seconds import PartSeconds
from tests.loop import create_draft, import_lines
from tests.support import wait_for
from workers.jobs.runner import JobRunner

FINISH_ALONE = [sys.executable, "-c", "import sys; sys.stdin.readline(); sys.exit(0)"]
CRASH = [sys.executable, "-c", "import sys; sys.stdin.readline(); sys.exit('it broke')"]
HANG = [sys.executable, "-c", "import sys; [None for _ in sys.stdin]"]

HANG_IN_A_TRANSACTION = """
import os, signal, sys, time, psycopg
line = sys.stdin.readline()
with psycopg.connect({url!r}) as connection:
    connection.execute("SELECT 1 FROM projects FOR UPDATE")
    connection.execute("UPDATE jobs SET progress = progress")
    {how}
"""


@pytest.fixture
def settings(settings: Settings, database_url: str) -> Settings:
    return settings.model_copy(
        update={
            "database_url": SecretStr(database_url),
            "job_lease_seconds": 10.0,
            "heartbeat_seconds": 2.0,
        }
    )


@pytest.fixture
def project_id(session_factory: sessionmaker[Session], settings: Settings) -> int:
    """A running text project with imported labels, so that round 0 trains a proxy for a while."""
    slow = ModelChoice("fasttext", {"epochs": 300, "buckets": 2000})
    with transaction(session_factory) as session:
        project = create_draft(
            session, proxy=slow, strategy="entropy", initial_budget=5, round_budget=5,
            total_budget=10, reserve=0, seed=3,
        )  # fmt: skip
        rng = np.random.default_rng(0)
        lines = [
            ItemIn(
                external_id=f"t{i}",
                split=Split.POOL,
                class_name="ab"[i % 2] if i < 300 else None,
                text=" ".join(f"w{w}" for w in rng.integers(0, 50, 20)),
            )
            for i in range(400)
        ]
        import_lines(session, settings, project.id, lines)
        start_project(session, project.id)
        return project.id


@pytest.fixture
def job_id(settings: Settings, session_factory: sessionmaker[Session], project_id: int) -> int:
    assert project_id
    with transaction(session_factory) as session:
        return jobs.claimable(session, ["gpu", "cpu"], settings)[0]


def read_job(factory: sessionmaker[Session], job_id: int) -> Job:
    with transaction(factory) as session:
        return session.get_one(Job, job_id)


def child_of(log: Path) -> int:
    """Return the process id of the newest job's child, from the worker's log; not packing's."""
    claimed = [line for line in log.read_text().splitlines() if "job.claimed" in line]
    lines = [line for line in claimed if "kind=pack" not in line]
    return int(lines[-1].partition("pid=")[2].split()[0])


class TestJobRunner:
    def test_doubled_message_is_a_no_op(
        self, settings: Settings, session_factory: sessionmaker[Session], job_id: int
    ) -> None:
        runner = JobRunner(settings, session_factory, FINISH_ALONE)
        assert [runner.run(job_id), runner.run(job_id)] == [True, False]
        runner.close()

    def test_jobs_wait_while_the_disk_is_nearly_full_and_go_on_by_themselves(
        self, settings: Settings, session_factory: sessionmaker[Session], job_id: int
    ) -> None:
        full = settings.model_copy(update={"min_free_bytes": 2**62})
        runner = JobRunner(full, session_factory, FINISH_ALONE)
        assert (runner.run(job_id), runner.run_waiting()) == (False, 0)
        waiting = read_job(session_factory, job_id)
        assert (waiting.state, waiting.attempts) == (JobState.QUEUED, 0)
        runner.settings = settings  # there is room again
        assert runner.run_waiting() == 1
        runner.close()

    def test_poison_job_fails_with_its_reason_after_all_attempts(
        self, settings: Settings, session_factory: sessionmaker[Session], job_id: int
    ) -> None:
        runner = JobRunner(settings, session_factory, CRASH)
        assert [runner.run(job_id) for _ in range(4)] == [True, True, True, False]
        runner.close()
        job = read_job(session_factory, job_id)
        assert (job.state, job.attempts) == (JobState.FAILED, 3)
        assert job.error is not None
        assert "it broke" in job.error
        with transaction(session_factory) as session:
            again = jobs.retry(session, job.project_id, job_id, settings)
            assert (again.state, again.kind) == (JobState.QUEUED, JobKind.TRAIN_AND_SELECT)

    def test_cancelled_job_is_taken_from_its_child(
        self, settings: Settings, session_factory: sessionmaker[Session], job_id: int
    ) -> None:
        quick = settings.model_copy(update={"heartbeat_seconds": 0.2})
        runner = JobRunner(quick, session_factory, HANG)
        thread = threading.Thread(target=runner.run, args=(job_id,))
        thread.start()
        wait_for(lambda: read_job(session_factory, job_id).state == JobState.RUNNING, 10)
        with transaction(session_factory) as session:
            cancel_project(session, read_job(session_factory, job_id).project_id)
        thread.join(10)  # the hanging child ends by nothing but being killed
        assert not thread.is_alive()
        runner.close()
        assert read_job(session_factory, job_id).state == JobState.CANCELLED

    @pytest.mark.parametrize(
        ("how", "lease_seconds", "reason"),
        [
            ("os.kill(os.getpid(), signal.SIGSTOP)", 30.0, "a signal had stopped it"),
            ("time.sleep(600)", 1.0, "it kept its row locked"),
        ],
    )
    def test_child_that_hangs_in_a_transaction_is_killed_and_its_job_queued_again(
        self,
        how: str,
        lease_seconds: float,
        reason: str,
        settings: Settings,
        database_url: str,
        session_factory: sessionmaker[Session],
        job_id: int,
    ) -> None:
        command = [sys.executable, "-c", HANG_IN_A_TRANSACTION.format(url=database_url, how=how)]
        quick = {"heartbeat_seconds": 0.3, "job_lease_seconds": lease_seconds}
        runner = JobRunner(settings.model_copy(update=quick), session_factory, command)
        thread = threading.Thread(target=runner.run, args=(job_id,), daemon=True)
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
        runner.stop()
        runner.close()
        job = read_job(session_factory, job_id)
        assert job.state == JobState.QUEUED
        assert reason in (job.error or "")

    def test_heartbeat_waits_for_nobody_and_knows_who_holds_the_job(
        self, settings: Settings, session_factory: sessionmaker[Session], job_id: int
    ) -> None:
        with transaction(session_factory) as session:
            claimed = jobs.claim(session, job_id, settings)
        assert claimed is not None

        def beat() -> jobs.Heartbeat:
            with transaction(session_factory) as session:
                session.execute(text("SET LOCAL statement_timeout = '2s'"))
                return jobs.heartbeat(session, job_id, claimed.token, 60.0)

        with transaction(session_factory) as child:
            child.execute(text("UPDATE jobs SET progress = '{}'"))
            assert beat() is jobs.Heartbeat.LOCKED
        assert beat() is jobs.Heartbeat.EXTENDED
        with transaction(session_factory) as session:
            session.execute(text("UPDATE jobs SET state = 'cancelled'"))
        assert beat() is jobs.Heartbeat.FENCED

    def test_claim_waits_for_nobody_who_holds_the_row(
        self, settings: Settings, session_factory: sessionmaker[Session], job_id: int
    ) -> None:
        with transaction(session_factory) as session:
            assert jobs.claim(session, job_id, settings) is not None
            session.execute(text("UPDATE jobs SET lease_until = now() - interval '1 s'"))

        def claim_again() -> jobs.ClaimedJob | None:
            with transaction(session_factory) as session:
                session.execute(text("SET LOCAL lock_timeout = '2s'"))
                return jobs.claim(session, job_id, settings)

        with transaction(session_factory) as child:
            child.execute(text("UPDATE jobs SET progress = '{}'"))
            assert claim_again() is None
        assert claim_again() is not None

    def test_a_job_over_its_time_is_killed_and_fails_for_good_with_the_reason(
        self, settings: Settings, session_factory: sessionmaker[Session], job_id: int
    ) -> None:
        short = settings.model_copy(update={"job_max_seconds": 0.3})
        runner = JobRunner(short, session_factory, HANG)
        assert [runner.run(job_id), runner.run(job_id)] == [True, False]
        runner.close()
        job = read_job(session_factory, job_id)
        assert (job.state, job.attempts) == (JobState.FAILED, 1)
        assert job.error is not None
        assert "SVP_JOB_MAX_SECONDS" in job.error
        with transaction(session_factory) as session:
            again = jobs.retry(session, job.project_id, job_id, settings)
            assert again.state == JobState.QUEUED


class TestSweep:
    @pytest.mark.parametrize(
        "lease_until",
        ["now() - interval '1 s'", "now() + interval '1 h'"],
        ids=["ended", "given before the clock was set back"],
    )
    def test_stale_job_is_queued_again_and_woken(
        self,
        lease_until: str,
        settings: Settings,
        session_factory: sessionmaker[Session],
        job_id: int,
        wakeups: list[tuple[int, str]],
    ) -> None:
        with transaction(session_factory) as session:
            jobs.claim(session, job_id, settings)
            session.execute(text(f"UPDATE jobs SET lease_until = {lease_until}"))  # noqa: S608
        wakeups.clear()
        assert jobs.sweep(session_factory, settings).requeued == [job_id]
        assert wakeups == [(job_id, "gpu")]
        assert jobs.sweep(session_factory, settings).requeued == []

    @pytest.mark.parametrize("who_finds_it", ["the sweeper", "the next worker"])
    def test_lost_workers_cost_no_attempts_but_may_not_go_on_for_ever(
        self,
        who_finds_it: str,
        settings: Settings,
        session_factory: sessionmaker[Session],
        job_id: int,
    ) -> None:
        few = settings.model_copy(update={"job_max_lost_workers": 5, "job_max_attempts": 2})
        for n_lost in range(5):
            with transaction(session_factory) as session:
                claimed = jobs.claim(session, job_id, few)
                assert claimed is not None
                session.execute(text("UPDATE jobs SET lease_until = now() - interval '1 s'"))
            job = read_job(session_factory, job_id)
            assert (job.attempts, job.lost_workers) == (1, n_lost)
            if who_finds_it == "the sweeper" and n_lost < 4:
                assert jobs.sweep(session_factory, few).requeued == [job_id]
        with transaction(session_factory) as session:
            assert jobs.claimable(session, ["cpu", "gpu"], few) == []
            assert jobs.claim(session, job_id, few) is None
        assert jobs.sweep(session_factory, few).failed == [job_id]
        job = read_job(session_factory, job_id)
        assert (job.state, job.lost_workers) == (JobState.FAILED, 5)
        assert job.error == "its worker stopped answering; it has lost 5 workers"

    def test_queued_job_whose_message_was_lost_is_woken_again(
        self,
        settings: Settings,
        session_factory: sessionmaker[Session],
        job_id: int,
        wakeups: list[tuple[int, str]],
    ) -> None:
        with transaction(session_factory) as session:
            long_ago = text("UPDATE jobs SET woken_at = now() - interval '1 min' WHERE id = :id")
            session.execute(long_ago.bindparams(id=job_id))
        wakeups.clear()
        assert jobs.sweep(session_factory, settings).woken == [job_id]
        assert wakeups == [(job_id, "gpu")]

    def test_fenced_result_is_dropped(
        self, settings: Settings, session_factory: sessionmaker[Session], job_id: int
    ) -> None:
        with transaction(session_factory) as session:
            first = jobs.claim(session, job_id, settings)
            session.execute(text("UPDATE jobs SET lease_until = now() - interval '1 s'"))
        with transaction(session_factory) as session:
            assert jobs.claim(session, job_id, settings) is not None
        assert first is not None
        selection = job_results.Selection([], 0, PartSeconds(), "")
        with pytest.raises(JobFenced), transaction(session_factory) as session:
            job_results.publish_selection(session, first, selection, settings)


@pytest.mark.slow
class TestRealWorker:
    def test_killed_worker_and_child_are_followed_by_a_resume_from_the_checkpoint(
        self,
        session_factory: sessionmaker[Session],
        job_id: int,
        start_worker: Callable[[], subprocess.Popen[bytes]],
        tmp_path: Path,
    ) -> None:
        worker = start_worker()
        wait_for(lambda: read_job(session_factory, job_id).progress.get("epoch", 0) >= 5, 60)
        os.killpg(child_of(tmp_path / "worker.log"), signal.SIGKILL)
        worker.kill()
        worker.wait()
        assert read_job(session_factory, job_id).state == JobState.RUNNING
        start_worker()
        seconds = wait_for(lambda: read_job(session_factory, job_id).lost_workers == 1, 15)
        wait_for(lambda: read_job(session_factory, job_id).state == JobState.SUCCEEDED, 60)
        assert read_job(session_factory, job_id).progress["resumed_from"] >= 1
        print(f"claimed again {seconds:.1f} s after the new worker's start")  # noqa: T201

    def test_sigterm_gives_the_job_back_without_using_an_attempt(
        self,
        session_factory: sessionmaker[Session],
        job_id: int,
        start_worker: Callable[[], subprocess.Popen[bytes]],
    ) -> None:
        worker = start_worker()
        wait_for(lambda: read_job(session_factory, job_id).progress.get("epoch", 0) >= 2, 60)
        worker.send_signal(signal.SIGTERM)
        worker.wait(20)
        job = read_job(session_factory, job_id)
        assert (job.state, job.attempts) == (JobState.QUEUED, 0)

    def test_finish_trains_stores_and_evaluates_the_target(
        self,
        session_factory: sessionmaker[Session],
        project_id: int,
        start_worker: Callable[[], subprocess.Popen[bytes]],
    ) -> None:
        with transaction(session_factory) as session:
            finish_project(session, project_id)

        def state() -> str:
            with transaction(session_factory) as session:
                return session.get_one(Project, project_id).state

        start_worker()
        wait_for(lambda: state() == "finished", 60)
