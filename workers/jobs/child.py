"""The process of a job that computes: waits with torch imported until it gets one."""

import resource

import numpy as np
import torch

from app.config import Settings
from models.catalog import ModelSetup, resolve_recipe
from models.data.arrays import Images
from models.data.labeled import LabeledSet
from models.predict import predict
from models.training.train import TrainingStopped, train
from selection.rank import rank
from selection.types import Signals
from selection.watch import SelectionStopped
from workers.jobs.context import JobContext
from workers.jobs.job_process import serve_jobs
from workers.jobs.packs import PackingStopped
from workers.jobs.run import run_job
from workers.steps.threads import use_threads

MOST_KEPT_BYTES = 2 * 2**30  # a process that had more is replaced after its job
STOPS = (TrainingStopped, SelectionStopped, PackingStopped)


def prepare(settings: Settings) -> None:
    """Train and select once, so that a job's seconds hold no first-use cost of torch and numba."""
    use_threads(settings.worker_threads)
    images = Images(np.zeros((4, 8, 8, 1), np.uint8))
    recipe = resolve_recipe("preact8", {"epochs": 1})
    labels = np.arange(4, dtype=np.int64) % 2
    probs = predict(
        train(ModelSetup("preact8", recipe), LabeledSet(images, labels, 2), 0), images
    ).probs
    rank("least_confidence", Signals(len(probs), probs), 1, np.random.default_rng(0))


def may_go_on() -> bool:
    """Return whether this process may do another job: it never gives GPU memory back."""
    has_gpu_memory = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return not has_gpu_memory and max_resident_bytes() < MOST_KEPT_BYTES


def max_resident_bytes() -> int:
    """Return this process's peak memory."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    serve_jobs(JobContext, prepare, run_job, STOPS, may_go_on)
