"""Scores a pool: each item as it is, or as the published code of the paper did.

The service scores plainly; experiments may repeat what was published (workers.simulation.config).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from models.data.arrays import Inputs
from models.data.types import FloatArray
from models.predict import Predictions, predict
from models.training.forgetting import ForgettingCounts
from models.training.train import TrainedModel
from selection.uncertainty import entropy, least_confidence, margin
from workers.steps.calibration import with_temperature


@dataclass(frozen=True)
class Scoring:
    """Ways to score a pool; by default each item as it is.

    Attributes:
        augmentation: where it is given, images are cropped and mirrored as in training, by this
            stream: the published code read the pool through the training set's transformations,
            so its scores were noisy and differed from call to call.
        zeros_first: whether an item with a probability of exactly 0 gets the highest entropy:
            in the published code p * log(p) gave NaN there, which sorted first. Its
            probabilities are made equal; the others' are left.
        temperature: that the logits are divided by (workers.steps.calibration).
    """

    augmentation: torch.Generator | None = None
    zeros_first: bool = False
    temperature: float = 1.0

    def predict(
        self, trained: TrainedModel, inputs: Inputs, *, device: str, with_features: bool
    ) -> Predictions:
        """Return the model's predictions, as `models.predict.predict`."""
        found = predict(
            trained,
            inputs,
            device=device,
            with_features=with_features,
            augmentation=self.augmentation,
        )
        if self.temperature != 1:
            scaled = with_temperature(found.probs, self.temperature).astype(np.float32)
            found = Predictions(scaled, found.features)
        if not self.zeros_first:
            return found
        return Predictions(with_zeros_first(found.probs), found.features)


def item_scores(
    probs: FloatArray, forgetting: ForgettingCounts | None
) -> dict[str, npt.NDArray[np.float64]]:
    """Return scores of n items by a model in training, each [n], higher = sooner.

    Args:
        probs: its class probabilities, [n, C].
        forgetting: of its training on the same items; None where that counts none.

    Returns:
        entropy, least_confidence, margin; of a training that counts them forgetting_events, how
        often each item was forgotten so far, +inf where it was never right.
    """
    scores = {
        "entropy": entropy(probs),
        "least_confidence": least_confidence(probs),
        "margin": margin(probs),
    }
    if forgetting is not None:
        counts = forgetting.counts.astype(np.float64)
        scores["forgetting_events"] = np.where(forgetting.is_learned, counts, np.inf)
    return scores


def with_zeros_first(probs: FloatArray) -> FloatArray:
    """Return the probabilities, [n, C], with those of rows that hold an exact 0 made equal."""
    has_zero = (probs == 0).any(axis=1, keepdims=True)
    return np.where(has_zero, np.float32(1 / probs.shape[1]), probs)


PLAIN = Scoring()
