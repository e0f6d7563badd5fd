"""One training in progress: its state, one epoch, and its checkpoints.

Nothing is read back from the device within an epoch.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.catalog import ModelSetup
from models.data.arrays import Images
from models.data.labeled import LabeledSet
from models.networks.build import fresh_network
from models.networks.pretrained import weights_hash
from models.networks.threads import suitable_threads, training_flops
from models.recipe import Schedule
from models.recipe_choice import note_on_steps
from models.seconds import Spent
from models.training import distributed
from models.training.augment import augment, draw
from models.training.fasttext_sgd import direct_step
from models.training.feed import make_feed
from models.training.forgetting import ForgettingCounter
from models.training.sgd import SGDStep
from models.training.timing import Stopwatch
from models.training.trained import TrainedModel

HASHED_WHOLE_BYTES = 2**28
SAMPLE_BLOCKS, SAMPLE_BLOCK = 4096, 4096
EpochHook = Callable[[int, TrainedModel], float | None]
"""Gets the epoch, from 1, and the model, which it must not keep: training continues with it."""
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class TrainingStopped(Exception):
    """The caller asked to stop; the newest epoch end is in the checkpoint."""


class TrainingDivergedError(Exception):
    """The loss is not finite: lower the learning rate."""


class TrainingRun:
    """A training between two epochs."""

    def __init__(  # noqa: PLR0913 - by name: where it runs, what it counts
        self,
        setup: ModelSetup,
        labeled: LabeledSet,
        seed: int,
        *,
        device: str,
        count_forgetting: bool = False,
        initial: TrainedModel | None = None,
    ) -> None:
        self.setup, self.recipe, self.seed, self.device = setup, setup.recipe, seed, device
        self.labeled, self.inputs, self.labels = labeled, labeled.inputs, labeled.labels
        self.watch = Stopwatch(device)
        self.forgetting = ForgettingCounter(len(labeled), device) if count_forgetting else None
        self.epoch, self.loss = 0, float("nan")
        self.measured: list[float] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed, 0, "weights"))
            self.network = fresh_network(setup, labeled.inputs, labeled.n_classes)
        weights = self.recipe.weights
        self.pretrained_hash = weights_hash(Path(weights)) if weights else None
        if initial is not None:
            self.network.load_state_dict(initial.network.state_dict())
        # Of the weights as training finds them: fresh ones follow from the seed.
        self.is_warm = initial is not None
        self.has_batch_norm = any(isinstance(m, BATCH_NORMS) for m in self.network.modules())
        self.network.to(device).to(memory_format=torch.channels_last)
        self.sgd = SGDStep(self.network, self.recipe, device)
        self.direct = direct_step(self.network, self.recipe, device)
        self.device_labels = torch.from_numpy(labeled.labels).to(device)
        self.feed = make_feed(labeled.inputs, device)

    @contextmanager
    def suitable_threads(self) -> Iterator[None]:
        """Let torch use as many threads as a step of this training is worth."""
        if self.device != "cpu":
            yield
            return
        n_together = min(self.recipe.minibatch, len(self.labels))
        work = (self.network, self.labeled.inputs, n_together)
        with suitable_threads(partial(training_flops, *work)):
            yield

    def identity(self) -> str:
        """Return the hash of all that the result depends on, before the first epoch."""
        digest = hashlib.sha256(f"{self.setup.model} {self.recipe.hash} {self.seed}".encode())
        digest.update(self.labels.tobytes())
        digest.update((self.pretrained_hash or "").encode())
        digest.update(b"forgetting" if self.forgetting else b"")
        for array in self.inputs.arrays:
            _digest_array(digest, array)
        if self.is_warm:
            for weights in self.network.state_dict().values():
                digest.update(weights.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds.

        The schedule and every random stream follow from the epoch.
        """
        return {
            "epoch": self.epoch,
            "loss": self.loss,
            "network": self.network.state_dict(),
            "seconds": tuple(self.watch.of("training")),
            "forgetting": self.forgetting.state() if self.forgetting else None,
            "measured": self.measured,
            **self.sgd.state(),
        }

    def restore(self, state: dict[str, Any] | None) -> None:
        """Resume from a checkpoint's state, if there is one."""
        if state is None:
            return
        self.epoch, self.loss = state["epoch"], state["loss"]
        self.network.load_state_dict(state["network"])
        self.sgd.restore(state)
        self.measured = list(state["measured"])
        self.watch.put("training", Spent(*state["seconds"]))
        if self.forgetting:
            self.forgetting.restore(state["forgetting"])

    def trained(self) -> TrainedModel:
        """Return the model as it is now."""
        return TrainedModel(
            network=self.network.eval(),
            setup=self.setup,
            spec=self.inputs.spec,
            n_classes=self.labeled.n_classes,
            seed=self.seed,
            spent=self.watch.of("training"),
            final_loss=self.loss,
            pretrained_hash=self.pretrained_hash,
            forgetting=self.forgetting.result() if self.forgetting else None,
            notes=self.notes,
            measured=tuple(self.measured),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the recipe lacks, and what of it this machine could not do."""
        on_steps = note_on_steps(self.recipe, len(self.labels))
        return (*([on_steps] if on_steps else []), *self.sgd.notes)

    def measure(self, on_epoch: EpochHook | None) -> None:
        """Let the caller measure the model after an epoch, and keep the number it returns."""
        value = on_epoch(self.epoch, self.trained()) if on_epoch else None
        if value is not None:
            self.measured.append(value)

    def train_epoch(self, should_stop: Callable[[], bool] | None) -> None:
        """Train the next epoch and set `loss` to its mean.

        Raises:
            TrainingStopped: `should_stop` returned True.
            TrainingDivergedError: the loss of a step is not finite.
        """
        epoch = self.epoch
        self.network.train()
        generator = torch.Generator().manual_seed(stream_seed(self.seed, epoch, "minibatches"))
        order = torch.randperm(len(self.labels), generator=generator)
        parts = minibatches(order, self.recipe.minibatch, needs_two=self.has_batch_norm)
        losses = torch.zeros(len(parts), device=self.device)
        with _global_stream(self.device, stream_seed(self.seed, epoch, "dropout")):
            for step, rows in enumerate(parts):
                if should_stop and should_stop():
                    raise TrainingStopped
                rate = self._rate(epoch, step, len(parts))
                losses[step] = self._step(rows, generator, rate)
        sizes = torch.tensor([len(rows) for rows in parts], dtype=torch.float64)
        found = distributed.averaged(losses).cpu().double()
        self._refuse_divergence(found, epoch)
        self.loss = float(found @ sizes / sizes.sum())
        self.epoch = epoch + 1

    def _rate(self, epoch: int, step: int, n_steps: int) -> float:
        is_stepwise = self.recipe.schedule is not Schedule.STEPS
        return self.recipe.learning_rate_at(
            epoch + (step + 0.5) / n_steps if is_stepwise else epoch
        )

    def _step(self, rows: Tensor, generator: torch.Generator, rate: float) -> Tensor:
        start, stop = distributed.part_of(len(rows))
        part = rows[start:stop]
        minibatch = self.feed(part)
        if isinstance(self.inputs, Images):
            draws = draw(len(rows), self.recipe, generator).part(start, stop)
            minibatch = (augment(minibatch[0], self.recipe, draws),)
        part = part.to(self.device, non_blocking=True)
        labels = self.device_labels[part]
        if self.direct:
            loss, logits = self.direct(minibatch, labels, rate)
            if self.forgetting:
                self.forgetting.update(part, logits, labels)
            return loss
        logits = self.sgd.logits(minibatch)
        if self.forgetting:
            self.forgetting.update(part, logits, labels)
        loss = functional.cross_entropy(
            logits, labels, label_smoothing=self.recipe.label_smoothing
        ) * distributed.share_of(len(rows))
        self.sgd.update(loss, rate)
        return loss.detach()

    def _refuse_divergence(self, losses: Tensor, epoch: int) -> None:
        is_bad = ~torch.isfinite(losses)
        if not is_bad.any():
            return
        step = int(is_bad.to(torch.uint8).argmax())
        raise TrainingDivergedError(
            f"The loss became {float(losses[step])} in epoch {epoch + 1}, step {step + 1} of "
            f"{len(losses)}; lower the learning rate (now {self._rate(epoch, step, len(losses))}) "
            f"in the recipe."
        )


def _digest_array(digest: "hashlib._Hash", array: npt.NDArray[Any]) -> None:
    """Add an array to a hash: all bytes, or of a large one its shape and a sample spread over it.

    Reading a map of 100 GB takes minutes. An item that was added changes the shape; one that was
    replaced is seen only where the sample touches it.
    """
    if array.nbytes <= HASHED_WHOLE_BYTES:
        digest.update(np.ascontiguousarray(array).tobytes())
        return
    digest.update(f"{array.shape} {array.dtype}".encode())
    flat = array.reshape(-1)
    for start in np.linspace(0, len(flat) - SAMPLE_BLOCK, SAMPLE_BLOCKS).astype(np.int64):
        digest.update(flat[start : start + SAMPLE_BLOCK].tobytes())


def minibatches(order: Tensor, size: int, *, needs_two: bool) -> list[Tensor]:
    """Return the order in minibatches of `size`, the last one of what is left.

    Where a network `needs_two`, a last one of a single item joins the one before it, and a single
    item is repeated: batch norm has no variance of one value; at 1 x 1 pixel that is an error.
    """
    parts = list(torch.split(order, size))
    if needs_two and len(order) == 1:
        return [order.repeat(2)]
    if needs_two and size > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def stream_seed(seed: int, epoch: int, purpose: str) -> int:
    """Return the seed of one purpose's random stream in one epoch."""
    digest = hashlib.sha256(f"{seed} {epoch} {purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


@contextmanager
def _global_stream(device: str, seed: int) -> Iterator[None]:
    """Seed torch's own generators, which dropout draws from, and restore them afterwards."""
    with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
        torch.manual_seed(seed)
        yield
