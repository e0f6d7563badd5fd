"""A small classifier on frozen features that the user brings: linear, or with one hidden layer.

Source: Alain & Bengio 2016 for the linear one.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.catalog import ModelSetup
from models.data.arrays import Inputs, InputSpec, Vectors
from models.networks.network import Network


class Probe(Network):
    """Features are the hidden layer's output, [n, hidden]; without one, the user's vectors."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int, hidden: int, n_classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
        self.hidden = nn.Linear(width, hidden) if hidden else None
        self.n_features = hidden or width
        self.linear = nn.Linear(self.n_features, n_classes)

    def fit_normalisation(self, inputs: Inputs) -> None:
        """Set each dimension's mean and deviation; a constant one gets the deviation 1.

        Raises:
            ValueError: a vector holds NaN or an infinity; the message names its row.
        """
        assert isinstance(inputs, Vectors)  # noqa: S101 - `build` checks the encoding
        mean = inputs.values.mean(axis=0, dtype=np.float64)
        if not np.isfinite(mean).all():
            row = int(np.flatnonzero(~np.isfinite(inputs.values).all(axis=1))[0])
            raise ValueError(f"Vector {row} of the training set holds a value that is not finite.")
        deviation = inputs.values.std(axis=0, dtype=np.float64)
        with torch.no_grad():
            self.mean.copy_(torch.from_numpy(mean))
            self.deviation.copy_(torch.from_numpy(np.where(deviation > 0, deviation, 1.0)))

    def features(self, *inputs: Tensor) -> Tensor:
        """Return [n, d] from vectors [n, width]."""
        (vectors,) = inputs
        if self.hidden is None:
            return vectors
        return functional.relu(self.hidden((vectors - self.mean) / self.deviation))

    def head(self, features: Tensor) -> Tensor:
        """Return the logits of features, [n, C]; the linear probe normalises here."""
        if self.hidden is None:
            features = (features - self.mean) / self.deviation
        return self.linear(features)


def build(setup: ModelSetup, spec: InputSpec, n_classes: int) -> Probe:
    """Return the probe of the recipe's hidden width on vectors of the spec's length."""
    return Probe(spec.width, setup.recipe.hidden, n_classes)
