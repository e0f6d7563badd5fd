"""One step of plain SGD on fastText's model, in closed form and compiled, for the CPU.

Minibatches of a few short texts take torch half a millisecond, nearly all of it overhead of its
layers. The arithmetic is the same: gradients of the mean loss of the minibatch, float32.
"""

import numpy as np
import torch
from numba import njit
from torch import Tensor

from models.data.types import FloatArray, IntArray
from models.networks.fasttext import FastText
from models.networks.network import Network
from models.recipe import Recipe
from models.training.distributed import rank_and_size


class FastTextStep:
    """Updates the weights of one network in place."""

    def __init__(self, network: FastText, recipe: Recipe) -> None:
        self._embedding = network.embedding.weight.detach().numpy()
        self._linear = network.linear.weight.detach().numpy()
        self._smoothing = recipe.label_smoothing

    def __call__(
        self, minibatch: tuple[Tensor, ...], labels: Tensor, rate: float
    ) -> tuple[Tensor, Tensor]:
        """Take a step at this learning rate and return mean loss and logits from before it."""
        ids, offsets = (values.numpy() for values in minibatch)
        loss, logits = _step(
            self._embedding,
            self._linear,
            ids,
            offsets,
            labels.numpy(),
            np.float32(rate),
            np.float32(self._smoothing),
        )
        return torch.tensor(loss, dtype=torch.float32), torch.from_numpy(logits)


def direct_step(network: Network, recipe: Recipe, device: str) -> FastTextStep | None:
    """Return the closed-form step, where one process trains fastText plainly on the CPU."""
    is_plain = isinstance(network, FastText) and network.embedding.sparse
    if not is_plain or device != "cpu" or rank_and_size()[1] > 1:
        return None
    assert isinstance(network, FastText)  # noqa: S101 - for mypy
    return FastTextStep(network, recipe)


@njit(cache=True, nogil=True)
def _step(  # noqa: PLR0913, PLR0917 - numba takes no objects
    embedding: FloatArray,
    linear: FloatArray,
    ids: IntArray,
    offsets: IntArray,
    labels: IntArray,
    rate: np.float32,
    smoothing: np.float32,
) -> tuple[float, FloatArray]:
    n, (n_classes, dim) = len(offsets), linear.shape
    features = np.zeros((n, dim), np.float32)
    logits = np.zeros((n, n_classes), np.float32)
    slope = np.empty((n, n_classes), np.float32)  # of the loss in the logits
    total = 0.0
    for row in range(n):
        end = offsets[row + 1] if row + 1 < n else len(ids)
        for one in ids[offsets[row] : end]:
            for j in range(dim):
                features[row, j] += embedding[one, j]
        share = np.float32(1.0 / max(end - offsets[row], 1))
        for j in range(dim):
            features[row, j] *= share
        highest = np.float32(-np.inf)
        for c in range(n_classes):
            for j in range(dim):
                logits[row, c] += linear[c, j] * features[row, j]
            highest = max(highest, logits[row, c])
        mass = 0.0
        for c in range(n_classes):
            mass += np.exp(logits[row, c] - highest)
        log_mass = highest + np.log(mass)
        for c in range(n_classes):
            wanted = smoothing / n_classes
            if c == labels[row]:
                wanted += 1 - smoothing
            log_prob = logits[row, c] - log_mass
            total -= wanted * log_prob
            slope[row, c] = (np.exp(log_prob) - wanted) / n
    _descend(embedding, linear, ids, offsets, features, slope, rate)
    return total / n, logits


@njit(cache=True, nogil=True)
def _descend(  # noqa: PLR0913, PLR0917 - numba takes no objects
    embedding: FloatArray,
    linear: FloatArray,
    ids: IntArray,
    offsets: IntArray,
    features: FloatArray,
    slope: FloatArray,
    rate: np.float32,
) -> None:
    n, (n_classes, dim) = len(offsets), linear.shape
    back = np.empty(dim, np.float32)
    for row in range(n):
        end = offsets[row + 1] if row + 1 < n else len(ids)
        share = rate / np.float32(max(end - offsets[row], 1))
        for j in range(dim):
            back[j] = np.float32(0)
            for c in range(n_classes):
                back[j] += linear[c, j] * slope[row, c]
            back[j] *= share
        for one in ids[offsets[row] : end]:
            for j in range(dim):
                embedding[one, j] -= back[j]
    for row in range(n):
        for c in range(n_classes):
            for j in range(dim):
                linear[c, j] -= rate * slope[row, c] * features[row, j]
