"""Forgetting events are counted as algorithm 2 of the paper says, without touching the training."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.catalog import ModelSetup
from models.data.labeled import LabeledSet
from models.training.checkpoints import CheckpointFile
from models.training.forgetting import ForgettingCounter
from models.training.train import TrainedModel, TrainingStopped, train
from tests.models.training.test_train import make_set, weights


def counted(**kwargs: object) -> TrainedModel:
    inputs, labels, recipe = make_set("preact8")
    return train(ModelSetup("preact8", recipe), LabeledSet(inputs, labels, 2), 5, **kwargs)  # type: ignore[arg-type]


class TestForgettingCounter:
    @given(seed=st.integers(0, 999), m=st.integers(1, 12))
    def test_counts_equal_the_definition_item_by_item(self, seed: int, m: int) -> None:
        rng = np.random.default_rng(seed)
        counter = ForgettingCounter(m, "cpu")
        was_right, learned, counts = [False] * m, [False] * m, [0] * m
        for _ in range(rng.integers(1, 12)):
            rows = rng.permutation(m)[: rng.integers(1, m + 1)]
            logits, targets = rng.normal(size=(len(rows), 3)), rng.integers(3, size=len(rows))
            counter.update(
                torch.from_numpy(rows), torch.from_numpy(logits), torch.from_numpy(targets)
            )
            for row, is_right in zip(rows, logits.argmax(axis=1) == targets, strict=True):
                counts[row] += was_right[row] and not is_right
                was_right[row] = is_right
                learned[row] |= bool(is_right)
        result = counter.result()
        assert result.counts.tolist() == counts
        assert result.is_learned.tolist() == learned

    def test_doubled_row_counts_once(self) -> None:
        counter = ForgettingCounter(1, "cpu")
        rows, right = torch.tensor([0, 0]), torch.tensor([[1.0, 0.0]] * 2)
        counter.update(rows, right, torch.tensor([0, 0]))
        counter.update(rows, right, torch.tensor([1, 1]))
        assert counter.result().counts.tolist() == [1]


class TestTraining:
    def test_counting_changes_no_weight(self) -> None:
        with_counts, without = counted(count_forgetting=True), counted()
        assert without.forgetting is None
        for ours, theirs in zip(weights(with_counts), weights(without), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)

    def test_resumed_training_counts_as_an_unbroken_one(self, tmp_path: Path) -> None:
        unbroken = counted(count_forgetting=True).forgetting
        n_asked = 0

        def stop_in_third_epoch() -> bool:
            nonlocal n_asked
            n_asked += 1
            return n_asked > 9

        checkpoint = CheckpointFile(tmp_path / "run.pt")
        with pytest.raises(TrainingStopped):
            counted(count_forgetting=True, checkpoint=checkpoint, should_stop=stop_in_third_epoch)
        resumed = counted(count_forgetting=True, checkpoint=checkpoint).forgetting
        assert unbroken is not None
        assert resumed is not None
        assert unbroken.is_learned.any()
        np.testing.assert_array_equal(resumed.counts, unbroken.counts)
        np.testing.assert_array_equal(resumed.is_learned, unbroken.is_learned)
