"""The Celery worker: a thin supervisor in one thread that turns wake-ups into jobs.

Run by `svp worker`. Beside messages it looks for waiting rows itself, so that a lost message costs
seconds, not a round.
"""

import threading
from typing import Any

import structlog
from celery import Celery
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down

from app.config import Settings
from app.db.session import make_engine, make_session_factory
from app.logging import configure_logging
from app.queue import TASK_NAME, make_celery, make_publisher
from workers.job_runner import JobRunner

POLL_SECONDS = 1.0


def run_worker(settings: Settings) -> None:
    """Serve jobs until SIGTERM or SIGINT; then give the running job back within 20 s."""
    if settings.database_url is None:
        raise ValueError("SVP_DATABASE_URL is not set; `svp up` sets it for its worker.")
    configure_logging(settings)
    engine = make_engine(settings.database_url.get_secret_value(), pool_size=2)
    factory = make_session_factory(engine, make_publisher(settings))
    runner = JobRunner(settings, factory)
    celery = _with_runner(make_celery(settings), runner, settings.queues.split(","))
    celery.worker_main(
        [
            "worker",
            "--pool=threads",
            "--concurrency=1",
            f"--queues={settings.queues}",
            "--without-gossip",
            "--without-mingle",
            "--loglevel=WARNING",
        ]
    )
    runner.stop()
    runner.close()
    engine.dispose()


def _with_runner(celery: Celery, runner: JobRunner, queues: list[str]) -> Celery:
    """Let the application run jobs by message and by looking for waiting rows."""
    stopped = threading.Event()

    def run_job(job_id: int) -> None:
        runner.run(job_id)

    celery.task(name=TASK_NAME, ignore_result=True)(run_job)

    def poll() -> None:
        log = structlog.get_logger()
        while not stopped.wait(POLL_SECONDS):
            try:
                runner.run_waiting(queues)
            except Exception as error:  # noqa: BLE001 - the next look tries again
                log.warning("worker.poll_failed", reason=str(error))

    poller = threading.Thread(target=poll, name="poller", daemon=True)

    def on_ready(**_: Any) -> None:
        runner.warm_up()
        poller.start()

    def on_stop(**_: Any) -> None:
        stopped.set()
        runner.stop()

    worker_ready.connect(on_ready, weak=False)
    worker_shutting_down.connect(on_stop, weak=False)
    worker_shutdown.connect(on_stop, weak=False)
    return celery
