"""Wake-ups from a broker: a Celery worker of one thread that turns messages into jobs.

A message that is not one of ours is logged and dropped; should Celery end all the same, it is
started again. Meanwhile the rows are looked at every second as ever.
"""

import threading
from typing import Any

import structlog
from celery import Celery
from celery.signals import worker_shutting_down
from kombu.transport import TRANSPORT_ALIASES

from app.config import Settings
from app.queue import TASK_NAME, make_celery
from workers.jobs.runner import JobRunner

PAUSE_SECONDS = 1.0
MAX_JOB_ID = 2**63 - 1
GUARDED = {
    "redis": "workers.jobs.guarded_redis:GuardedTransport",
    "rediss": "workers.jobs.guarded_redis:GuardedTransport",
}


def serve_messages(settings: Settings, runner: JobRunner, stopped: threading.Event) -> None:
    """Run jobs as their messages come, until SIGTERM or SIGINT."""
    TRANSPORT_ALIASES.update(GUARDED)
    log = structlog.get_logger()

    def on_stop(**_: Any) -> None:
        stopped.set()
        runner.stop()

    worker_shutting_down.connect(on_stop, weak=False)
    while not stopped.is_set():
        try:
            _serve(_with_runner(make_celery(settings), runner), settings)
        except (Exception, SystemExit) as error:
            log.exception("worker.messages_failed", reason=repr(error))
        if not stopped.wait(PAUSE_SECONDS):
            log.warning("worker.messages_started_again")


def _serve(celery: Celery, settings: Settings) -> None:
    celery.worker_main(
        [
            "worker",
            "--pool=threads",
            "--concurrency=1",
            f"--queues={settings.queues}",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            "--loglevel=WARNING",
        ]
    )


def _with_runner(celery: Celery, runner: JobRunner) -> Celery:
    """Register the task that runs jobs by message."""
    log = structlog.get_logger()

    def run_job(*args: object, **_: object) -> None:
        job_id = args[0] if args else None
        if not isinstance(job_id, int) or not 0 < job_id <= MAX_JOB_ID:
            log.warning("message.dropped", reason="it names no job")
            return
        try:
            runner.run(job_id)
        except Exception as error:  # noqa: BLE001 - the next look at the rows tries again
            log.warning("worker.job_failed", job_id=job_id, reason=str(error).strip())

    celery.task(name=TASK_NAME, ignore_result=True)(run_job)
    return celery
