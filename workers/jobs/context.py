"""The context of a job's process: settings, database, store, device, and how it is watched."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from app.db.queries import projects
from app.db.session import transaction
from app.services.job_results import PublishingClock
from models.catalog import ModelSetup, setup_from_json
from models.training.checkpoints import CheckpointFile
from models.training.precision import name_of_device
from models.training.timing import Stopwatch, spent_so_far
from models.training.train import TrainProgress
from workers.jobs.attempt import Attempt
from workers.jobs.packed_pool import PoolReader
from workers.steps.training import RoundHooks

# A stop or crash costs at most this much work; a save forces the disk, which short epochs feel.
CHECKPOINT_SECONDS = 1.0
PROGRESS_SECONDS = 0.25


@dataclass
class JobContext(Attempt):
    """The context of a job's process that computes."""

    @property
    def device(self) -> str:
        """The device to train on: "auto" takes a GPU where there is one."""
        if self.settings.device != "auto":
            return self.settings.device
        return "cuda" if torch.cuda.is_available() else "cpu"

    @cached_property
    def checkpoint(self) -> CheckpointFile:
        """The job's checkpoint, found again by its next attempt on this machine."""
        with transaction(self.factory) as session:
            # Ids of jobs come again in another database.
            project = projects.get(session, self.claimed.project_id)
        folder = self.settings.cache_folder / "checkpoints" / str(project.uid)
        return CheckpointFile(folder / f"job-{self.claimed.id}.pt", CHECKPOINT_SECONDS)

    @cached_property
    def watch(self) -> Stopwatch:
        """Adds up the seconds of the job's work beside the step."""
        return Stopwatch("cpu")

    def begin_publishing(self) -> PublishingClock:
        """Return a clock of the seconds since now."""
        began = spent_so_far()
        return lambda: spent_so_far().less(began)

    @property
    def reader(self) -> PoolReader:
        """Reads the project's splits as arrays."""
        return PoolReader(self.factory, self.store, self.settings, self.should_stop)

    def setup(self, stored: Mapping[str, Any]) -> ModelSetup:
        """Return a stored setup with the path that its weights have on this machine."""
        return setup_from_json(stored).with_weights_in(self.settings.recipe_weights_folder)

    @property
    def hooks(self) -> RoundHooks:
        """Hooks that watch, stop and resume the job's training."""
        return RoundHooks(
            checkpoint=self.checkpoint,
            on_progress=_progress_reporter(self),
            should_stop=self.should_stop,
        )

    @property
    def provenance(self) -> dict[str, Any]:
        """Device and versions, which the bits of a result depend on."""
        return {
            "device": self.device,
            "device_name": name_of_device(self.device),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "threads": torch.get_num_threads(),
        }


def _progress_reporter(context: JobContext) -> Callable[[TrainProgress], None]:
    reported_at = float("-inf")

    def report(progress: TrainProgress) -> None:
        nonlocal reported_at
        is_last = progress.epoch == progress.epochs
        if not is_last and time.monotonic() - reported_at < PROGRESS_SECONDS:
            return
        reported_at = time.monotonic()
        values = {
            "epoch": progress.epoch,
            "epochs": progress.epochs,
            "loss": progress.loss,
            "seconds": round(progress.seconds, 3),
            "resumed_from": progress.resumed_from,
        }
        context.report(values)

    return report
