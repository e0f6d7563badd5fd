"""Runs work before the clock starts, so that no timed part includes compilation.

Everything here is computed on a few items and thrown away.
"""

from dataclasses import dataclass, replace

import numpy as np

from models.catalog import ModelSetup
from models.data.labeled import LabeledSet
from models.predict import predict
from models.training.timing import Stopwatch
from models.training.train import TrainedModel, train
from selection.watch import Watch
from workers.simulation.config import ModelConfig
from workers.steps.round import RoundInputs, RoundRequest, run_selection

FEW = 32


@dataclass(frozen=True)
class FewItems:
    """The first items of a pool, as a model takes them: a minibatch, or a few more."""

    items: LabeledSet
    device: str

    def trained(self, model: ModelConfig) -> TrainedModel:
        """Return the model trained for one epoch; it has predicted them, too."""
        recipe = model.resolved
        lowest = min(rate for rate in recipe.learning_rates if rate > 0)
        recipe = replace(recipe, epochs_per_stage=(1,), learning_rates=(lowest,), warm_start=False)
        trained = train(ModelSetup(model.model, recipe), self.items, 0, device=self.device)
        few = self.items.inputs.take(np.arange(min(FEW, len(self.items))))
        predict(trained, few, device=self.device, with_features=True)
        return trained

    def select(self, request: RoundRequest, proxy: TrainedModel | None) -> None:
        """Select among them by the strategy."""
        n = len(self.items)
        labeled = np.arange(n // 2)
        inputs = RoundInputs(
            self.items.inputs,
            labeled,
            self.items.labels[labeled],
            labeled,
            self.items.n_classes,
            n_ranked=(n - len(labeled) + 1) // 2,
        )
        run_selection(inputs, request, proxy, Stopwatch(self.device), Watch(self.device))
