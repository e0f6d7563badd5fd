"""Rows of a memory map are read when they are asked for, and train as rows in memory do."""

from pathlib import Path

import numpy as np
import pytest

from models.catalog import ModelSetup
from models.data import mapped
from models.data.arrays import Images
from models.data.labeled import LabeledSet
from models.predict import predict
from models.training.train import train
from tests.models.training.test_run import same_bits
from tests.models.training.test_train import make_set


def test_most_of_a_map_larger_than_memory_is_taken_without_reading_it(tmp_path: Path) -> None:
    shape = (1_000_000, 256, 256, 3)  # 197 GB of a file without blocks
    pixels = np.memmap(tmp_path / "pool.u8", np.uint8, "w+", shape=shape)
    pixels[999_999] = 7
    few = Images(pixels).take(np.arange(1, 1_000_000, 2)).take(np.array([499_999, 0]))
    assert few.pixels[:, 0, 0, 0].tolist() == [7, 0]
    half = Images(pixels).take(np.arange(500_000))
    assert (len(half), half.spec.height, half.size_bytes) == (500_000, 256, 500_000 * 256 * 256 * 3)


def test_a_training_on_mapped_rows_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, labels, recipe = make_set("preact8")
    assert isinstance(inputs, Images)
    np.save(tmp_path / "pool.npy", inputs.pixels)
    pool = Images(np.load(tmp_path / "pool.npy", mmap_mode="r"))
    rows = np.array([3, 59, 4, 41, 5, 9, 2, 6, 53, 58])
    expected = train(
        ModelSetup("preact8", recipe), LabeledSet(inputs.take(rows), labels[rows], 2), 5
    )
    monkeypatch.setattr(mapped, "COPIED_BYTES", 100)
    taken = pool.take(rows)
    assert isinstance(taken.pixels, mapped.MappedRows)
    trained = train(ModelSetup("preact8", recipe), LabeledSet(taken, labels[rows], 2), 5)
    assert same_bits(trained, expected)
    np.testing.assert_array_equal(
        predict(trained, taken).probs, predict(expected, inputs.take(rows)).probs
    )
