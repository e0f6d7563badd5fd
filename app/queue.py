"""The broker: wake-ups {job_id} for workers. The job row is the truth, messages may get lost."""

from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import KombuError

from app.config import Settings

TASK_NAME = "svp.run_job"


def make_celery(settings: Settings) -> Celery:
    """Return the Celery application of these settings; connects to nothing yet.

    Acknowledged early, no result backend, no retries: redelivery belongs to the job row.
    """
    celery = Celery("svp", broker=_broker_url(settings), set_as_current=False)
    celery.conf.update(
        task_acks_late=False,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        task_publish_retry=False,
        broker_connection_retry_on_startup=True,
        worker_soft_shutdown_timeout=25,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        task_default_queue="cpu",
        broker_transport_options=_transport_options(settings),
    )
    return celery


def make_publisher(settings: Settings) -> Callable[[int, str], None]:
    """Return a function (job_id, queue) that sends a wake-up, best effort."""
    celery = make_celery(settings)
    log = structlog.get_logger()

    def publish(job_id: int, queue: str) -> None:
        try:
            celery.send_task(TASK_NAME, args=[job_id], queue=queue, retry=False)
        except (KombuError, OSError) as error:
            log.warning("job.wakeup_failed", job_id=job_id, queue=queue, reason=str(error))

    return publish


def _broker_url(settings: Settings) -> str:
    if settings.broker_url is not None:
        return settings.broker_url.get_secret_value()
    return "filesystem://"


def _transport_options(settings: Settings) -> dict[str, Any]:
    if settings.broker_url is not None:
        return {
            "visibility_timeout": 3600,
            "socket_timeout": 10,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 25,
        }
    messages = settings.broker_folder / "messages"
    control = settings.broker_folder / "control"
    for folder in (messages, control):
        folder.mkdir(parents=True, exist_ok=True)
    return {
        "data_folder_in": str(messages),
        "data_folder_out": str(messages),
        "control_folder": str(control),
        "polling_interval": 0.1,
    }
