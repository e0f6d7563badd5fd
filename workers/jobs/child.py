"""The process of one job: waits with torch imported, gets a job on stdin, does it, exits.

Stdin ties its life to the supervisor's: its end ends this process at once, wherever it is.
"""

import os
import signal
import sys
import threading
import traceback
from dataclasses import replace

import numpy as np
import structlog
from structlog.contextvars import bind_contextvars

from app.config import Settings, read_settings
from app.db.session import PATIENT, make_engine, make_session_factory
from app.domain.errors import JobFenced
from app.logging import configure_logging
from app.queue import make_publisher
from app.services.jobs import ClaimedJob
from app.storage.artifacts import ArtifactStore
from models.catalog import ModelSetup, resolve_recipe
from models.data.arrays import Images
from models.data.labeled import LabeledSet
from models.predict import predict
from models.training.train import TrainingStopped, train
from selection.rank import rank
from selection.types import Signals
from selection.watch import SelectionStopped
from workers.jobs.context import JobContext
from workers.jobs.protocol import DONE, FAILED, FENCED, STOP_LINE, STOPPED, claimed_from_line
from workers.jobs.run import run_job
from workers.steps.threads import use_threads


def main() -> int:
    """Wait for a job, do it, return the exit code that tells the supervisor what became of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the supervisor's affair
    settings = read_settings()
    configure_logging(settings)
    use_threads(settings.worker_threads)
    _warm_up()
    line = sys.stdin.readline()
    if not line:
        return DONE
    claimed = claimed_from_line(line)
    stop = threading.Event()
    threading.Thread(target=_watch_stdin, args=(stop,), daemon=True).start()
    return _run(claimed, settings, stop)


def _warm_up() -> None:
    """Train and select once, so that a job's seconds hold no first-use cost of torch and numba."""
    images = Images(np.zeros((4, 8, 8, 1), np.uint8))
    recipe = resolve_recipe("preact8", {"epochs": 1})
    labels = np.arange(4, dtype=np.int64) % 2
    probs = predict(
        train(ModelSetup("preact8", recipe), LabeledSet(images, labels, 2), 0), images
    ).probs
    rank("least_confidence", Signals(len(probs), probs), 1, np.random.default_rng(0))


def _watch_stdin(stop: threading.Event) -> None:
    for line in sys.stdin:
        if line == STOP_LINE:
            stop.set()
    os._exit(FAILED)


def _run(claimed: ClaimedJob, settings: Settings, stop: threading.Event) -> int:
    if settings.database_url is None:
        raise ValueError("SVP_DATABASE_URL is not set.")
    bind_contextvars(job_id=claimed.id, request_id=claimed.request_id)
    log = structlog.get_logger()
    timeouts = replace(PATIENT, statement_seconds=settings.worker_statement_timeout_seconds)
    url = settings.database_url.get_secret_value()
    engine = make_engine(url, pool_size=2, timeouts=timeouts)
    context = JobContext(
        claimed=claimed,
        settings=settings,
        factory=make_session_factory(engine, make_publisher(settings)),
        store=ArtifactStore(settings.artifact_store_url),
        should_stop=stop.is_set,
    )
    try:
        log.info("job.started", kind=claimed.kind, attempt=claimed.attempts)
        run_job(context)
    except (TrainingStopped, SelectionStopped):
        log.info("job.stopped")
        return STOPPED
    except JobFenced:
        log.warning("job.fenced")
        return FENCED
    log.info("job.finished")
    return DONE


if __name__ == "__main__":
    try:
        code = main()
    except Exception:  # noqa: BLE001 - the supervisor keeps its last lines as the reason
        traceback.print_exc()
        code = FAILED
    sys.stdout.flush()
    # Threads that wait on stdin or on torch's pool must not hold the exit up.
    os._exit(code)
