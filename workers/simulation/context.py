"""One seed of an experiment, where it runs, and the results that its arms share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.data.arrays import Inputs
from models.data.labeled import LabeledSet
from models.data.readers import Part
from models.training.checkpoints import CheckpointFile
from models.training.train import EpochHook, TrainProgress
from selection.arrays import IntArray
from selection.options import SelectionOptions, needs_proxy
from workers.simulation.config import ModelConfig, TrapsConfig
from workers.simulation.data import DataSet, model_inputs
from workers.simulation.warm_up import FEW, FewItems
from workers.steps.round import RoundRequest
from workers.steps.scoring import Scoring
from workers.steps.target import TargetResult, run_target_step
from workers.steps.training import (
    Evaluation,
    RoundHooks,
    accuracy_at_epochs,
    random_stream,
)

CHECKPOINT_SECONDS = 10.0


@dataclass
class Shared:
    """Results that the arms of one seed share.

    Attributes:
        targets: (labeled set, its labels) -> what lines say of the target trained on it.
        warmed: models, recipes and strategies whose compiled code this process has loaded.
        inputs: (split, model, recipe) -> the split as that model takes it.
        opening_seconds: of the process from its start to the experiment, and of reading the data.
    """

    targets: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    warmed: set[tuple[str, ...]] = field(default_factory=set)
    inputs: dict[tuple[str, str, str], Inputs] = field(default_factory=dict)
    opening_seconds: float | None = None

    def inputs_of(self, split: str, part: Part, model: ModelConfig) -> Inputs:
        """Return the split as the model takes it; texts are encoded once."""
        key = (split, model.model, model.resolved.hash)
        if key not in self.inputs:
            self.inputs[key] = model_inputs(part, model.setup)
        return self.inputs[key]


@dataclass(frozen=True, kw_only=True)
class SeedContext:
    """One seed of an experiment, and where it runs.

    Attributes:
        folder: of the lines and checkpoints.
        on_progress: gets a training's progress.
        shared: what the arms of a seed need not compute twice.
    """

    seed: int
    data: DataSet
    folder: Path
    device: str
    shared: Shared
    traps: TrapsConfig
    on_progress: Callable[[TrainProgress], None] = lambda _: None

    def pool(self, model: ModelConfig) -> Inputs:
        """Return the pool as the model takes it."""
        return self.shared.inputs_of("pool", self.data.pool, model)

    def labeled(self, model: ModelConfig, index: IntArray, labels: IntArray) -> LabeledSet:
        """Return these pool items, with these labels, as the model takes them."""
        return LabeledSet(self.pool(model).take(index), labels, len(self.data.classes))

    def whole_pool(self, model: ModelConfig) -> LabeledSet:
        """Return all pool items with their true labels, as the model takes them."""
        return LabeledSet(self.pool(model), self.data.pool.labels, len(self.data.classes))

    def evaluation(self, model: ModelConfig) -> Evaluation:
        """Return the evaluation split as the model takes it."""
        inputs = self.shared.inputs_of("evaluation", self.data.evaluation, model)
        return Evaluation(inputs, self.data.evaluation.labels)

    def scoring(self, strategy: str, number: int = 0) -> Scoring:
        """Return how the pool is scored for a strategy in a round."""
        stream = None
        if self.traps.scoring == "augmented":
            seed = random_stream(self.seed, number, "augmented scoring").integers(2**31)
            stream = torch.Generator().manual_seed(int(seed))
        zeros_first = strategy == "entropy" and self.traps.entropy_zeros == "nan_first"
        return Scoring(stream, zeros_first)

    def at_epochs(self, model: ModelConfig) -> EpochHook | None:
        """Return a hook that measures a model after each epoch, where the best is reported."""
        if not self.traps.report_best_epoch:
            return None
        return accuracy_at_epochs(self.evaluation(model), self.device)

    def hooks(self, name: str, *, keeps_end: bool = False) -> RoundHooks:
        """Return hooks that watch and resume the work of this name."""
        path = self.folder / "checkpoints" / f"{name}-seed{self.seed}.pt"
        checkpoint = CheckpointFile(path, CHECKPOINT_SECONDS, keeps_end=keeps_end)
        return RoundHooks(checkpoint=checkpoint, on_progress=self.on_progress)

    def warm_up(
        self, model: ModelConfig, strategy: str = "", options: SelectionOptions | None = None
    ) -> None:
        """Train the model on a few items, and select among them, before the clock starts.

        Once for each model and strategy; without a strategy it only trains.
        """
        key = (model.model, model.resolved.hash, strategy)
        if key in self.shared.warmed:
            return
        n = min(len(self.data.pool), max(model.resolved.minibatch, FEW))
        few = FewItems(self.labeled(model, np.arange(n), self.data.pool.labels[:n]), self.device)
        options = options or SelectionOptions()
        needs_none = bool(strategy) and not needs_proxy(strategy, options)
        proxy = None if needs_none else few.trained(model)
        if strategy:
            request = RoundRequest(
                strategy,
                model.setup,
                seed=0,
                number=0,
                trains=proxy is not None,
                options=options,
                scoring=self.scoring(strategy),
            )
            few.select(request, proxy)
        self.shared.warmed.add(key)

    def train_target(
        self, target: ModelConfig, index: IntArray, labels: IntArray, name: str
    ) -> TargetResult:
        """Return the target trained on these pool items, ascending, with these labels."""
        self.warm_up(target)
        hooks = self.hooks(f"{name}-target")
        hooks = replace(hooks, on_epoch=self.at_epochs(target))
        result = run_target_step(
            target.setup,
            self.labeled(target, index, labels),
            self.evaluation(target),
            self.seed,
            device=self.device,
            hooks=hooks,
        )
        hooks.forget()
        return result


def best_error(by_epoch: Sequence[float] | None) -> float | None:
    """Return the lowest error of these accuracies by epoch; None where none was measured."""
    return 1 - max(by_epoch) if by_epoch else None
