"""The process of a job that computes: waits with torch imported until it gets one."""

import numpy as np

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
from workers.jobs.job_process import serve_one_job
from workers.jobs.packs import PackingStopped
from workers.jobs.run import run_job
from workers.steps.threads import use_threads

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


if __name__ == "__main__":
    serve_one_job(JobContext, prepare, run_job, STOPS)
