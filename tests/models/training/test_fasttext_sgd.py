"""The closed-form step of fastText is torch's, and its training is deterministic and resumable."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from models.networks.fasttext import FastText
from models.recipe import Recipe
from models.training.checkpoints import CheckpointFile
from models.training.fasttext_sgd import direct_step
from models.training.train import TrainingStopped
from tests.models.training.test_run import same_bits
from tests.models.training.test_train import fit


@given(
    seed=st.integers(0, 999),
    n=st.integers(1, 6),
    n_classes=st.integers(1, 4),
    smoothing=st.sampled_from([0.0, 0.2]),
)
def test_a_step_equals_torchs(seed: int, n: int, n_classes: int, smoothing: float) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 5, n)  # texts without words too
    ids = torch.from_numpy(rng.integers(0, 12, lengths.sum()))
    offsets = torch.from_numpy(np.cumsum(lengths) - lengths)
    targets = torch.from_numpy(rng.integers(0, n_classes, n))
    torch.manual_seed(seed)
    network = FastText(12, 3, n_classes, sparse=True)
    torch.nn.init.normal_(network.linear.weight)
    ours = copy.deepcopy(network)
    recipe = Recipe((1,), (0.5,), label_smoothing=smoothing, momentum=0.0, weight_decay=0.0)
    step = direct_step(ours, recipe, "cpu")
    assert step is not None
    loss, logits = step((ids, offsets), targets, 0.5)
    expected = network(ids, offsets)
    expected_loss = functional.cross_entropy(expected, targets, label_smoothing=smoothing)
    expected_loss.backward()  # type: ignore[no-untyped-call]
    torch.optim.SGD(network.parameters(), lr=0.5).step()
    torch.testing.assert_close(logits, expected.detach())
    torch.testing.assert_close(loss, expected_loss.detach())
    for a, b in zip(ours.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_momentum_is_left_to_torch() -> None:
    network = FastText(12, 3, 2, sparse=False)
    assert direct_step(network, Recipe((1,), (0.5,)), "cpu") is None


def test_resumed_training_ends_with_the_same_bits(tmp_path: Path) -> None:
    checkpoint, epochs = CheckpointFile(tmp_path / "job.pt"), []
    with pytest.raises(TrainingStopped):
        fit(
            "fasttext",
            checkpoint=checkpoint,
            on_progress=lambda p: epochs.append(p.epoch),
            should_stop=lambda: len(epochs) == 7,
        )
    assert same_bits(fit("fasttext", checkpoint=checkpoint), fit("fasttext"))
