"""The end of trainings in one piece, by a library that knows neither minibatches nor epochs."""

import torch
from torch.nn import functional

from models.catalog import ModelSetup
from models.data.arrays import Texts
from models.data.labeled import LabeledSet
from models.networks.network import Network, texts_to_tensors
from models.seconds import Spent
from models.training.trained import TrainedModel

UNSEEN_LOGIT = -1e4  # of a class without a label: its probability is 0


def trained_on_texts(
    network: Network, setup: ModelSetup, labeled: LabeledSet, seed: int, spent: Spent
) -> TrainedModel:
    """Return the model of a network that a library has trained, with its loss on those texts."""
    inputs = labeled.inputs
    assert isinstance(inputs, Texts)  # noqa: S101 - `build` checks the modality
    network.eval()
    with torch.inference_mode():
        logits = network(*texts_to_tensors(inputs, "cpu"))
        loss = float(functional.cross_entropy(logits, torch.from_numpy(labeled.labels)))
    return TrainedModel(network, setup, inputs.spec, labeled.n_classes, seed, spent, loss)
