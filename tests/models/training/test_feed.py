"""Inputs give the same bits from the device, from arrays and from a memory map."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.catalog import ModelSetup
from models.data.arrays import Images, Inputs, Texts, Vectors
from models.data.labeled import LabeledSet
from models.training import feed
from models.training.feed import HostFeed, Resident, ResidentTexts, make_feed
from models.training.train import train
from tests.models.training.test_run import same_bits
from tests.models.training.test_train import make_set


def inputs_of_each_kind() -> list[Inputs]:
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 5, 40)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return [
        Images(rng.integers(0, 256, (40, 5, 4, 3), dtype=np.uint8)),
        Vectors(rng.normal(size=(40, 6)).astype(np.float32)),
        Texts(rng.integers(0, 99, offsets[-1]).astype(np.int32), offsets),
    ]


@pytest.mark.parametrize("inputs", inputs_of_each_kind(), ids=lambda i: type(i).__name__)
@pytest.mark.parametrize("rows", [[3], [39, 0, 7, 7, 12], list(range(39, -1, -1))])
def test_resident_inputs_equal_gathered_ones(
    inputs: Inputs, rows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered = make_feed(inputs, "cpu")
    monkeypatch.setattr(feed, "device_budget", lambda _device: 2**30)
    resident = make_feed(inputs, "cpu")
    assert isinstance(gathered, HostFeed)
    assert isinstance(resident, Resident | ResidentTexts)
    for a, b in zip(gathered(torch.tensor(rows)), resident(torch.tensor(rows)), strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)


def test_training_from_a_memory_map_beyond_the_budget_has_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, labels, recipe = make_set("preact8")
    assert isinstance(inputs, Images)
    np.save(tmp_path / "pack.npy", inputs.pixels)
    mapped = Images(np.load(tmp_path / "pack.npy", mmap_mode="r"))
    streamed = train(ModelSetup("preact8", recipe), LabeledSet(mapped, labels, 2), 5)
    monkeypatch.setattr(feed, "device_budget", lambda _device: 2**30)
    resident = train(ModelSetup("preact8", recipe), LabeledSet(inputs, labels, 2), 5)
    assert same_bits(streamed, resident)


def test_a_map_is_read_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "pack.npy", np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1))
    asked: list[list[int]] = []
    take = Images.take

    def watched(images: Images, rows: np.ndarray) -> Images:
        asked.append(rows.tolist())
        return take(images, rows)

    monkeypatch.setattr(Images, "take", watched)
    mapped = Images(np.load(tmp_path / "pack.npy", mmap_mode="r"))
    (values,) = HostFeed(mapped, "cpu")(torch.tensor([9, 2, 19, 2]))
    assert values.flatten().tolist() == [9, 2, 19, 2]
    assert asked == [[2, 2, 9, 19]]
