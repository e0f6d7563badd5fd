"""The broker: wake-ups {job_id} for workers. The job row is the truth, messages may get lost.

Without SVP_BROKER_URL there is none: Postgres itself wakes the workers (app.db.session).
"""

import structlog
from celery import Celery
from kombu.exceptions import KombuError

from app.config import Settings
from app.db.session import Publish

TASK_NAME = "svp.run_job"


def make_celery(settings: Settings) -> Celery:
    """Return the Celery application of the broker of these settings; connects to nothing yet.

    Acknowledged early, no result backend, no retries: redelivery belongs to the job row. Workers
    take no commands: whoever may write to the broker could stop them.

    Raises:
        ValueError: the settings name no broker.
    """
    if settings.broker_url is None:
        raise ValueError("SVP_BROKER_URL is not set; without it Postgres wakes the workers.")
    celery = Celery("svp", broker=settings.broker_url.get_secret_value(), set_as_current=False)
    celery.conf.update(
        task_acks_late=False,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        task_publish_retry=False,
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_soft_shutdown_timeout=25,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        task_default_queue="cpu",
        broker_transport_options={
            "visibility_timeout": 3600,
            "socket_timeout": 10,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 25,
        },
    )
    return celery


def make_publisher(settings: Settings) -> Publish | None:
    """Return a function (job_id, queue) that sends a wake-up, best effort; None without broker."""
    if settings.broker_url is None:
        return None
    celery = make_celery(settings)
    log = structlog.get_logger()

    def publish(job_id: int, queue: str) -> None:
        try:
            celery.send_task(TASK_NAME, args=[job_id], queue=queue, retry=False)
        except (KombuError, OSError) as error:
            log.warning("job.wakeup_failed", job_id=job_id, queue=queue, reason=str(error))

    return publish


def check_broker(settings: Settings) -> str:
    """Return a sentence that says that the broker answers, or that there is none.

    Raises:
        Exception: it does not answer within 2 s.
    """
    if settings.broker_url is None:
        return "Postgres wakes the workers; there is no broker"
    with make_celery(settings).connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=2)
        return f"{connection.as_uri()} answers"
