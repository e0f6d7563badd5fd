"""The base of every network: features, a head, and how it takes a minibatch of inputs."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from models.data.arrays import Images, Inputs, Texts, Vectors


class Network(nn.Module):
    """A classifier with named features: forward(x) == head(features(x)).

    The last linear layer is called `linear`, so that it can be left out of pretrained weights.
    """

    n_features: int

    def features(self, *inputs: Tensor) -> Tensor:
        """Return the input of the last linear layer, [n, d]."""
        raise NotImplementedError

    def head(self, features: Tensor) -> Tensor:
        """Return the logits of features, [n, C]."""
        raise NotImplementedError

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the logits, [n, C]."""
        return self.head(self.features(*inputs))

    def from_published(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights of a file under this network's names; by default they are the same."""
        return dict(tensors)

    def fit_normalisation(self, inputs: Inputs) -> None:
        """Set statistics of the inputs that the network needs before training; by default none."""


def to_tensors(inputs: Inputs, device: str) -> tuple[Tensor, ...]:
    """Return a minibatch on the device: (uint8 NCHW,), (ids, offsets) or (float32 [n, d],)."""
    if isinstance(inputs, Vectors):
        return (torch.from_numpy(inputs.values.astype(np.float32)).to(device, non_blocking=True),)
    if isinstance(inputs, Images):
        pixels = torch.from_numpy(inputs.pixels.copy()).to(device, non_blocking=True)
        return (pixels.permute(0, 3, 1, 2),)
    return texts_to_tensors(inputs, device)


def texts_to_tensors(texts: Texts, device: str) -> tuple[Tensor, Tensor]:
    """Return (ids int64, offsets int64 [n]) on the device."""
    ids = torch.from_numpy(texts.token_ids.astype("int64")).to(device)
    return ids, torch.from_numpy(texts.offsets[:-1].copy()).to(device)
