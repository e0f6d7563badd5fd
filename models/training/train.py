"""Training: deterministic for a seed, resumable at epoch ends, stoppable between minibatches."""

import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch.utils import deterministic as determinism

from models.catalog import ModelSetup, find_model
from models.data.labeled import LabeledSet
from models.training.checkpoints import CheckpointFile
from models.training.choice import setup_for
from models.training.distributed import any_of, from_first, rank_and_size
from models.training.run import EpochHook, TrainingDivergedError, TrainingRun, TrainingStopped
from models.training.trained import TrainedModel, load_model

__all__ = [
    "EpochHook",
    "TrainProgress",
    "TrainedModel",
    "TrainingDivergedError",
    "TrainingStopped",
    "can_start",
    "deterministic",
    "load_model",
    "train",
]

WholeTrainer = Callable[[ModelSetup, LabeledSet, int], TrainedModel]
"""Trains a model in one piece by this seed."""


@dataclass(frozen=True)
class TrainProgress:
    """Progress of a training at an epoch's end; `resumed_from` is 0 unless it was resumed.

    `notes` say what the recipe asked for but this machine could not do, and what it lacks.
    """

    epoch: int
    epochs: int
    loss: float
    seconds: float
    resumed_from: int = 0
    notes: tuple[str, ...] = ()


def train(  # noqa: PLR0913 - by name: how the training is watched
    setup: ModelSetup,
    labeled: LabeledSet,
    seed: int,
    *,
    device: str = "cpu",
    count_forgetting: bool = False,
    initial: TrainedModel | None = None,
    checkpoint: CheckpointFile | None = None,
    on_progress: Callable[[TrainProgress], None] | None = None,
    on_epoch: EpochHook | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainedModel:
    """Return a model trained on all inputs, with the last epoch's weights.

    In an initialised process group (models.training.distributed) every process calls this with the
    same arguments, and gets the same model; the first one writes the checkpoints.

    A model with a trainer of its own is trained in one piece: no checkpoint, no stop once it runs.

    Args:
        setup: the model, and how to train it; a recipe that is to be chosen is chosen here.
        labeled: m labeled inputs.
        seed: every random stream derives from (seed, epoch, purpose), so a resumed training ends
            with the same bits as an uninterrupted one on the same device.
        device: "cpu" or "cuda[:i]".
        count_forgetting: whether to count forgetting events (models.training.forgetting).
        initial: a model of the same kind to start from; fresh weights otherwise.
        checkpoint: where epoch ends are kept, as often as it is due, and found again.
        on_progress: called at each epoch's end.
        on_epoch: the same, with the model: to measure it. Numbers that it returns are kept, in the
            checkpoint too, as the model's `measured`; its time is not training's. A resumed
            training may repeat the epochs since the checkpoint, and the calls.
        should_stop: asked before each minibatch.

    Raises:
        TrainingStopped: `should_stop` returned True.
        TrainingDivergedError: the loss became infinite or NaN.
        ValueError: labels or initial model do not fit; the message says how.
    """
    _check_labels(labeled)
    _check_initial(initial, setup.model, labeled)
    setup = setup_for(setup, labeled)
    train_whole = _whole_trainer(setup.model, is_plain=not count_forgetting and initial is None)
    if train_whole is None:
        run = TrainingRun(
            setup,
            labeled,
            seed,
            device=device,
            count_forgetting=count_forgetting,
            initial=initial,
        )
        return _train_epochs(run, checkpoint, on_progress, on_epoch, should_stop)
    if should_stop and should_stop():
        raise TrainingStopped
    trained = train_whole(setup, labeled, seed)
    return _report_whole(trained, on_progress, on_epoch)


def _whole_trainer(model: str, *, is_plain: bool) -> WholeTrainer | None:
    """Return the function that trains the model in one piece; None if epochs are trained here."""
    trainer = find_model(model).trainer
    if trainer is None:
        return None
    if not is_plain:
        raise ValueError(f"{model} counts no forgetting events and has no warm start.")
    return pkgutil.resolve_name(trainer)


def _report_whole(
    trained: TrainedModel,
    on_progress: Callable[[TrainProgress], None] | None,
    on_epoch: EpochHook | None,
) -> TrainedModel:
    """Report a training in one piece as its last epoch's end; return it with the measured value."""
    epochs = trained.recipe.epochs
    if on_progress:
        loss, seconds = trained.final_loss, trained.spent.wall
        on_progress(TrainProgress(epochs, epochs, loss, seconds, notes=trained.notes))
    value = on_epoch(epochs, trained) if on_epoch else None
    return trained if value is None else replace(trained, measured=(value,))


def _train_epochs(
    run: TrainingRun,
    checkpoint: CheckpointFile | None,
    on_progress: Callable[[TrainProgress], None] | None,
    on_epoch: EpochHook | None,
    should_stop: Callable[[], bool] | None,
) -> TrainedModel:
    """Train the remaining epochs of a run, after its checkpoint, and return its model."""
    epochs, (rank, size) = run.recipe.epochs, rank_and_size()
    if run.forgetting and size > 1:
        raise ValueError("Forgetting events are counted by one process; train without torchrun.")
    identity = run.identity() if checkpoint else ""
    run.restore(from_first(checkpoint.load(identity) if checkpoint and rank == 0 else None))
    resumed_from = run.epoch
    # Processes that stopped at different steps would wait for one another forever.
    stops = (lambda: any_of(should_stop())) if should_stop else None
    with deterministic(), run.suitable_threads():
        while run.epoch < epochs:
            with run.watch.part("training"):
                run.train_epoch(stops)
            run.measure(on_epoch)
            is_due = checkpoint and (
                checkpoint.is_due or (checkpoint.keeps_end and run.epoch == epochs)
            )
            if checkpoint and is_due and rank == 0:
                checkpoint.save(identity, run.state())
            if on_progress:
                seconds, notes = run.watch.of("training").wall, run.notes
                on_progress(
                    TrainProgress(run.epoch, epochs, run.loss, seconds, resumed_from, notes)
                )
    return run.trained()


def _check_labels(labeled: LabeledSet) -> None:
    n, n_classes, labels = len(labeled.inputs), labeled.n_classes, labeled.labels
    if len(labels) == 0:
        raise ValueError("There is nothing to train on: no item is labeled.")
    if len(labels) != n:
        raise ValueError(f"There are {n} inputs and {len(labels)} labels; they must be as many.")
    is_bad = (labels < 0) | (labels >= n_classes)
    if is_bad.any():
        row = int(is_bad.argmax())
        raise ValueError(
            f"The label of row {row} is {labels[row]}; there are the classes 0..{n_classes - 1}."
        )


def can_start(initial: TrainedModel, setup: ModelSetup, labeled: LabeledSet) -> bool:
    """Whether a training of this setup may start from these weights.

    Where a recipe is chosen anew each time, its schedule differs from the one before.
    """
    if find_model(setup.model).trainer is not None or not _is_same_kind(
        initial, setup.model, labeled
    ):
        return False
    before, now = initial.recipe, setup_for(setup, labeled).recipe
    if setup.auto is not None:
        return before.network_fields == now.network_fields
    return replace(before, weights=None) == replace(now, weights=None)


def _is_same_kind(initial: TrainedModel, model: str, labeled: LabeledSet) -> bool:
    has = (initial.model, initial.spec, initial.n_classes)
    return has == (model, labeled.inputs.spec, labeled.n_classes)


def _check_initial(initial: TrainedModel | None, model: str, labeled: LabeledSet) -> None:
    if initial is not None and not _is_same_kind(initial, model, labeled):
        has = (initial.model, initial.spec, initial.n_classes)
        wants = (model, labeled.inputs.spec, labeled.n_classes)
        raise ValueError(f"A training of {wants} cannot start from the weights of {has}.")


@contextmanager
def deterministic() -> Iterator[None]:
    """Let torch use only kernels that give the same bits every time.

    Its filling of uninitialised memory stays off: no kernel here reads any, and it took an eighth
    of a training step on the CPU.
    """
    before = torch.are_deterministic_algorithms_enabled()
    filled_before = determinism.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    determinism.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(mode=before)
        determinism.fill_uninitialized_memory = filled_before  # type: ignore[attr-defined]
