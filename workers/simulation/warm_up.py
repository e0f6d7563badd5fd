"""Work before the clock starts, so that no timed part pays for compilation or choice of kernels.

Everything here is computed on a few items and thrown away.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.data.arrays import Inputs
from models.predict import predict
from models.training.timing import Stopwatch
from models.training.train import TrainedModel, train
from selection.options import SelectionOptions
from selection.watch import Watch
from workers.simulation.config import ModelConfig
from workers.steps.round import RoundInputs, run_selection
from workers.steps.scoring import Scoring

FEW = 32


@dataclass(frozen=True)
class FewItems:
    """The first items of a pool, as a model takes them: a minibatch, or a few more."""

    pool: Inputs
    labels: npt.NDArray[np.int64]
    n_classes: int
    device: str

    def trained(self, model: ModelConfig) -> TrainedModel:
        """Return the model trained for one epoch; it has predicted them, too."""
        recipe = model.resolved
        lowest = min(rate for rate in recipe.learning_rates if rate > 0)
        recipe = replace(recipe, epochs_per_stage=(1,), learning_rates=(lowest,), warm_start=False)
        trained = train(
            model.model, recipe, self.pool, self.labels, self.n_classes, 0, device=self.device
        )
        few = self.pool.take(np.arange(min(FEW, len(self.labels))))
        predict(trained, few, device=self.device, with_features=True)
        return trained

    def select(
        self,
        strategy: str,
        options: SelectionOptions,
        proxy: TrainedModel | None,
        scoring: Scoring,
    ) -> None:
        """Select among them by the strategy."""
        labeled = np.arange(len(self.labels) // 2)
        inputs = RoundInputs(
            self.pool,
            labeled,
            self.labels[labeled],
            labeled,
            self.n_classes,
            n_ranked=(len(self.labels) - len(labeled) + 1) // 2,
        )
        device = self.device
        watches = Stopwatch(device), Watch(device)
        run_selection(inputs, strategy, proxy, 0, 0, options, *watches, scoring=scoring)
