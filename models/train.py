"""The training loop: deterministic for a seed, resumable at epoch ends, stoppable.

Data stay on the device; no value is read back from it within an epoch.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from models.augment import augment
from models.checkpoints import CheckpointFile
from models.data.arrays import Images, Inputs, InputSpec
from models.forgetting import ForgettingCounter, ForgettingCounts
from models.network import Network, to_tensors
from models.recipe import Recipe, recipe_from_json
from models.registry import build, fresh_network
from models.timing import Stopwatch

IntArray = npt.NDArray[np.int64]


class TrainingStopped(Exception):
    """The caller asked to stop; the newest epoch end is in the checkpoint."""


class TrainingDivergedError(Exception):
    """The loss is not finite: lower the learning rate."""


@dataclass(frozen=True)
class TrainProgress:
    """How far a training is, at an epoch's end; `resumed_from` is 0 unless it was resumed."""

    epoch: int
    epochs: int
    loss: float
    seconds: float
    resumed_from: int = 0


@dataclass
class TrainedModel:
    """A trained network and what it was made of."""

    network: Network
    model: str
    recipe: Recipe
    spec: InputSpec
    n_classes: int
    seed: int
    seconds: float
    final_loss: float
    classes: list[str] | None = None  # names of the class indices, where the caller has them
    forgetting: ForgettingCounts | None = None  # of the trained items, where it was counted

    def save(self, path: Path) -> None:
        """Write weights and all that rebuilds the network as one safetensors file."""
        about: dict[str, Any] = {
            "model": self.model,
            "recipe": self.recipe.to_json(),
            "spec": [self.spec.height, self.spec.width, self.spec.channels],
            "n_classes": self.n_classes,
            "classes": self.classes,
            "seed": self.seed,
            "final_loss": self.final_loss,
        }
        tensors = {k: v.contiguous().cpu() for k, v in self.network.state_dict().items()}
        save_file(tensors, path, metadata={"svp": json.dumps(about)})


def load_model(path: Path) -> TrainedModel:
    """Return the model that `TrainedModel.save` wrote; reads weights only, never code."""
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["svp"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    recipe, spec = recipe_from_json(about["recipe"]), InputSpec(*about["spec"])
    network = build(about["model"], about["n_classes"], recipe, spec)
    network.load_state_dict(tensors)
    return TrainedModel(
        network=network.eval(),
        model=about["model"],
        recipe=recipe,
        spec=spec,
        n_classes=about["n_classes"],
        seed=about["seed"],
        seconds=0.0,
        final_loss=about["final_loss"],
        classes=about["classes"],
    )


def train(
    model: str,
    recipe: Recipe,
    inputs: Inputs,
    labels: IntArray,
    n_classes: int,
    seed: int,
    *,
    device: str = "cpu",
    count_forgetting: bool = False,
    checkpoint: CheckpointFile | None = None,
    on_progress: Callable[[TrainProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainedModel:
    """Return a model trained from scratch on all inputs, with the last epoch's weights.

    Args:
        model: name in models.catalog.
        recipe: how to train it.
        inputs: m labeled inputs.
        labels: their class indices, [m].
        n_classes: C.
        seed: every random stream derives from (seed, epoch, purpose), so a resumed training ends
            with the same bits as an uninterrupted one on the same device.
        device: "cpu" or "cuda[:i]".
        count_forgetting: whether to count each item's forgetting events (models.forgetting).
        checkpoint: where epoch ends are kept, as often as it is due, and found again.
        on_progress: called at each epoch's end.
        should_stop: asked before each minibatch.

    Raises:
        TrainingStopped: `should_stop` returned True.
        TrainingDivergedError: the loss became infinite or NaN.
        ValueError: there is nothing to train on.
    """
    if len(labels) == 0:
        raise ValueError("There is nothing to train on: no item is labeled.")
    run = _Run(model, recipe, inputs, labels, n_classes, seed, device)
    if count_forgetting:
        run.forgetting = ForgettingCounter(len(labels), device)
    identity = run.identity()
    run.restore(checkpoint.load(identity) if checkpoint else None)
    resumed_from = run.epoch
    with deterministic():
        for epoch in range(resumed_from, recipe.epochs):
            with run.watch.part("training"):
                run.train_epoch(epoch, should_stop)
            if checkpoint and checkpoint.is_due:
                checkpoint.save(identity, run.state())
            if on_progress:
                seconds = run.watch.seconds["training"]
                on_progress(
                    TrainProgress(epoch + 1, recipe.epochs, run.loss, seconds, resumed_from)
                )
    return TrainedModel(
        network=run.network.eval(),
        model=model,
        recipe=recipe,
        spec=inputs.spec,
        n_classes=n_classes,
        seed=seed,
        seconds=run.watch.seconds.get("training", 0.0),
        final_loss=run.loss,
        forgetting=run.forgetting.result() if run.forgetting else None,
    )


class _Run:
    """One training in progress."""

    def __init__(
        self,
        model: str,
        recipe: Recipe,
        inputs: Inputs,
        labels: IntArray,
        n_classes: int,
        seed: int,
        device: str,
    ) -> None:
        self.model, self.recipe, self.seed, self.device = model, recipe, seed, device
        self.inputs, self.labels, self.n_classes = inputs, labels, n_classes
        self.watch = Stopwatch(device)
        self.forgetting: ForgettingCounter | None = None
        self.epoch, self.loss = 0, float("nan")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_stream_seed(seed, 0, "weights"))
            self.network = fresh_network(model, recipe, inputs, n_classes)
        self.network.to(device).to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.SGD(
            self.network.parameters(),
            lr=recipe.learning_rates[0],
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            fused=isinstance(inputs, Images),
        )
        self.targets = torch.from_numpy(labels).to(device)
        self.images = to_tensors(inputs, device)[0] if isinstance(inputs, Images) else None

    def identity(self) -> str:
        """Return the hash of all that the result depends on."""
        digest = hashlib.sha256(f"{self.model} {self.recipe.hash} {self.seed}".encode())
        digest.update(self.labels.tobytes())
        digest.update(b"forgetting" if self.forgetting else b"")
        for array in self.inputs.arrays:
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            "epoch": self.epoch,
            "loss": self.loss,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "seconds": self.watch.seconds["training"],
            "forgetting": self.forgetting.state() if self.forgetting else None,
        }

    def restore(self, state: dict[str, Any] | None) -> None:
        """Go on from a checkpoint's state, if there is one."""
        if state is None:
            return
        self.epoch, self.loss = state["epoch"], state["loss"]
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.watch.seconds["training"] = state["seconds"]
        if self.forgetting:
            self.forgetting.restore(state["forgetting"])

    def train_epoch(self, epoch: int, should_stop: Callable[[], bool] | None) -> None:
        """Train one epoch and set `loss` to its mean."""
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(epoch)
        generator = torch.Generator().manual_seed(_stream_seed(self.seed, epoch, "minibatches"))
        order = torch.randperm(len(self.labels), generator=generator)
        total = torch.zeros((), device=self.device)
        for rows in _minibatches(order, self.recipe.minibatch):
            if should_stop and should_stop():
                raise TrainingStopped
            total += self._step(rows, generator) * len(rows)
        self.loss = float(total) / len(order)
        if not np.isfinite(self.loss):
            raise TrainingDivergedError(
                f"The loss became {self.loss} in epoch {epoch + 1}; lower the learning rate "
                f"(now {self.recipe.learning_rate_at(epoch)}) in the recipe."
            )
        self.epoch = epoch + 1

    def _step(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        recipe = self.recipe
        if self.images is None:
            minibatch = to_tensors(self.inputs.take(rows.numpy()), self.device)
        else:
            images = self.images[rows.to(self.device)]
            minibatch = (
                augment(
                    images, recipe.crop_padding, flip=recipe.horizontal_flip, generator=generator
                ),
            )
        logits, targets = self.network(*minibatch), self.targets[rows.to(self.device)]
        if self.forgetting:
            self.forgetting.update(rows.to(self.device), logits, targets)
        loss = functional.cross_entropy(logits, targets, label_smoothing=recipe.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()


def _minibatches(order: Tensor, size: int) -> Iterator[Tensor]:
    """Yield the order in minibatches; a last one of a single item joins the one before it.

    Batch norm has no variance of one value: at 1 x 1 resolution a single item would be an error.
    """
    parts = list(torch.split(order, size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    if len(parts[0]) == 1:
        parts[0] = parts[0].repeat(2)
    yield from parts


def _stream_seed(seed: int, epoch: int, purpose: str) -> int:
    digest = hashlib.sha256(f"{seed} {epoch} {purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


@contextmanager
def deterministic() -> Iterator[None]:
    """Let torch use only kernels that give the same bits again."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(mode=before)
