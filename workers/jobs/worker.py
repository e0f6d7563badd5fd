"""`svp worker`: checks for waiting jobs, and messages, at every wake-up and every second.

Nothing that arrives can end it. Postgres wakes it, or Celery where a broker is set.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from app.config import Settings
from app.db.session import (
    DELIVERY_CHANNEL,
    PREDICTION_CHANNEL,
    WAKEUP_CHANNEL,
    make_engine,
    make_session_factory,
)
from app.logging import configure_logging
from app.queue import make_publisher
from app.services.jobs import PACKING
from workers.jobs.copies import remove_copies_until
from workers.jobs.deliveries import Deliverer
from workers.jobs.predictions import PredictionStarter
from workers.jobs.presence import Presence
from workers.jobs.runner import PACKING_COMMAND, JobRunner
from workers.jobs.wakeups import Listener

POLL_SECONDS = 1.0
STOP_SECONDS = 22.0
# A flood of wake-ups costs one look at the rows each time this has passed.
GAP_SECONDS = 0.005


def run_worker(settings: Settings) -> None:
    """Serve jobs until SIGTERM or SIGINT; then give the running job back within 20 s."""
    if settings.database_url is None:
        raise ValueError("SVP_DATABASE_URL is not set; `svp up` sets it for its worker.")
    configure_logging(settings)
    url = settings.database_url.get_secret_value()
    engine = make_engine(url, pool_size=4)
    factory = make_session_factory(engine, make_publisher(settings))
    packer = JobRunner(settings, factory, PACKING_COMMAND, kinds=PACKING, keeps_spare=False)
    runner = JobRunner(settings, factory, beside=packer)
    stopped, woken = threading.Event(), threading.Event()
    has_messages, is_asked = threading.Event(), threading.Event()
    channels = {DELIVERY_CHANNEL: has_messages, PREDICTION_CHANNEL: is_asked}
    if settings.broker_url is None:
        channels[WAKEUP_CHANNEL] = woken
    threads = [
        threading.Thread(target=serve_rows, args=(runner, woken, stopped), name="jobs"),
        # Nobody waits for packing: it is found when the rows are looked at.
        threading.Thread(
            target=serve_rows, args=(packer, threading.Event(), stopped), name="packing"
        ),
        Presence(settings, runner, stopped),
        threading.Thread(
            target=remove_copies_until, args=(stopped, factory, settings), name="copies"
        ),
        Deliverer(factory, settings, has_messages, stopped),
        PredictionStarter(factory, settings, is_asked, stopped),
        Listener(url, channels, stopped),
    ]
    threading.excepthook = end_process  # without its threads a worker would only look alive
    runner.warm_up()
    for thread in threads:
        thread.start()
    try:
        if settings.broker_url is None:
            wait_for_signal()
        else:
            from workers.jobs.celery_app import serve_messages  # noqa: PLC0415 - only with a broker

            serve_messages(settings, runner, stopped)
    finally:
        stopped.set()
        woken.set()
        has_messages.set()
        is_asked.set()
        runner.stop()
        packer.stop()
        for thread in threads:
            thread.join(STOP_SECONDS)
        runner.close()
        packer.close()
        engine.dispose()


def serve_rows(runner: JobRunner, woken: threading.Event, stopped: threading.Event) -> None:
    """Do waiting jobs until `stopped`."""
    log = structlog.get_logger()
    while not stopped.is_set():
        woken.wait(POLL_SECONDS)
        woken.clear()
        try:
            runner.run_waiting()
        except Exception as error:  # noqa: BLE001 - the next look tries again
            log.warning("worker.look_failed", reason=str(error).strip())
            stopped.wait(POLL_SECONDS)
        stopped.wait(GAP_SECONDS)


def end_process(failed: threading.ExceptHookArgs) -> None:
    """End the worker as SIGTERM does, with the reason in its log; it will be restarted."""
    threading.__excepthook__(failed)
    os.kill(os.getpid(), signal.SIGTERM)


def wait_for_signal() -> None:
    """Return at SIGTERM or SIGINT."""
    with _signals() as received:
        os.read(received, 1)


@contextmanager
def _signals() -> Iterator[int]:
    """Yield a file descriptor from which a byte can be read once a signal has come.

    A pipe: a handler runs in the midst of anything, and may take no lock.
    """
    received, sent = os.pipe()
    before = {
        number: signal.signal(number, lambda *_: os.write(sent, b"x"))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(received)
        os.close(sent)
