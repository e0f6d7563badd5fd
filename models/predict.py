"""Class probabilities and features of many inputs, streamed."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from models.data.arrays import Inputs
from models.network import to_tensors
from models.train import TrainedModel

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Predictions:
    """Class probabilities, [n, C], and features, [n, d], if they were asked for."""

    probs: FloatArray
    features: FloatArray | None


def predict(
    trained: TrainedModel,
    inputs: Inputs,
    *,
    minibatch: int = 1024,
    device: str = "cpu",
    with_features: bool = False,
) -> Predictions:
    """Return the model's predictions in the inputs' order, without augmentation.

    The published code scored with random crops, which made its scores noisy.
    """
    network = trained.network.eval().to(device)
    probs = np.empty((len(inputs), trained.n_classes), np.float32)
    features = np.empty((len(inputs), network.n_features), np.float32) if with_features else None
    with torch.inference_mode():
        for start in range(0, len(inputs), minibatch):
            rows = np.arange(start, min(start + minibatch, len(inputs)))
            found = network.features(*to_tensors(inputs.take(rows), device))
            # float64: rows sum to 1 within float32's last bits whatever the number of classes.
            found_probs = torch.softmax(network.head(found).double(), dim=1)
            probs[rows] = found_probs.float().cpu().numpy()
            if features is not None:
                features[rows] = found.float().cpu().numpy()
    return Predictions(probs, features)


def accuracy(probs: FloatArray, labels: npt.NDArray[np.int64]) -> float:
    """Return the share of rows whose most probable class is the label; ties to the lowest class."""
    return float((probs.argmax(axis=1) == labels).mean())
