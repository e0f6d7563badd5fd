"""Training does everything that a recipe asks for, or a note says that this machine cannot."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.catalog import ModelSetup, resolve_recipe
from models.data.arrays import Images
from models.data.labeled import LabeledSet
from models.networks.build import build
from models.predict import predict
from models.recipe import Precision, Recipe
from models.training import run as training_run
from models.training.checkpoints import CheckpointFile
from models.training.fasttext_sgd import FastTextStep
from models.training.precision import usable_dtype
from models.training.run import TrainingRun, minibatches
from models.training.sgd import SGDStep, make_optimizer
from models.training.train import TrainedModel, TrainingDivergedError, TrainingStopped, train
from tests.models.training.test_train import fit, make_set, weights


def fit_with(overrides: dict[str, object], **kwargs: object) -> TrainedModel:
    inputs, labels, recipe = make_set("preact8")
    recipe = recipe.with_overrides(overrides)
    return train(ModelSetup("preact8", recipe), LabeledSet(inputs, labels, 2), 5, **kwargs)  # type: ignore[arg-type]


def same_bits(a: TrainedModel, b: TrainedModel) -> bool:
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


class TestMinibatches:
    @given(n=st.integers(1, 30), size=st.integers(1, 9), needs_two=st.booleans())
    def test_each_item_comes_once_and_alone_only_where_it_may(
        self, n: int, size: int, needs_two: bool
    ) -> None:
        order = torch.randperm(n)
        parts = minibatches(order, size, needs_two=needs_two)
        if needs_two and n == 1:
            assert [part.tolist() for part in parts] == [[0, 0]]
            return
        assert torch.equal(torch.cat(parts), order)
        sizes = [len(part) for part in parts]
        assert sizes[:-1] == [size] * (len(sizes) - 1)
        if needs_two and size > 1:
            assert 2 <= sizes[-1] <= size + 1
        else:
            assert sizes[-1] <= size

    def test_fasttext_takes_one_text_a_step(self, monkeypatch: pytest.MonkeyPatch) -> None:
        inputs, labels, recipe = make_set("fasttext", 5)
        asked: list[int] = []
        step = FastTextStep.__call__

        def watched(self: FastTextStep, *args: Any) -> Any:
            asked.append(len(args[1]))
            return step(self, *args)

        monkeypatch.setattr(FastTextStep, "__call__", watched)
        one_by_one = recipe.with_overrides({"minibatch": 1, "epochs": 2})
        train(ModelSetup("fasttext", one_by_one), LabeledSet(inputs, labels, 2), 5)
        assert asked == [1] * 10


class TestSchedule:
    def test_one_cycle_sets_the_rate_of_each_step(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rates: list[float] = []
        update = SGDStep.update

        def watched(step: SGDStep, loss: torch.Tensor, rate: float) -> None:
            rates.append(rate)
            update(step, loss, rate)

        monkeypatch.setattr(SGDStep, "update", watched)
        fit_with({"schedule": "one_cycle", "warmup_fraction": 0.25, "epochs": 4})
        # 60 items, minibatches of 16: 4 steps an epoch, the first epoch rises to 0.05.
        middles = (np.arange(16) + 0.5) / 4
        expected = np.interp(middles, [0, 1, 4], [0, 0.05, 0])
        np.testing.assert_allclose(rates, expected, rtol=1e-6)

    def test_a_resumed_cycle_ends_with_the_same_bits(self, tmp_path: Path) -> None:
        overrides: dict[str, object] = {"schedule": "one_cycle", "warmup_fraction": 0.3}
        checkpoint, epochs = CheckpointFile(tmp_path / "job.pt"), []
        with pytest.raises(TrainingStopped):
            fit_with(
                overrides,
                checkpoint=checkpoint,
                on_progress=lambda p: epochs.append(p.epoch),
                should_stop=lambda: len(epochs) == 2,
            )
        assert same_bits(fit_with(overrides, checkpoint=checkpoint), fit_with(overrides))


class TestOptimizer:
    def test_norms_and_biases_go_undecayed(self) -> None:
        inputs, _, recipe = make_set("preact8")
        network = build("preact8", 2, recipe, inputs.spec)
        (all_weights,) = make_optimizer(network, recipe).param_groups
        assert len(all_weights["params"]) == len(list(network.parameters()))
        decayed, undecayed = make_optimizer(
            network, recipe.with_overrides({"decay_norms": False})
        ).param_groups
        assert {w.ndim for w in decayed["params"]} == {2, 4}
        assert {w.ndim for w in undecayed["params"]} == {1}
        assert (decayed["weight_decay"], undecayed["weight_decay"]) == (recipe.weight_decay, 0.0)

    def test_nesterov_is_another_way_to_go(self) -> None:
        assert not same_bits(fit_with({"nesterov": True}), fit_with({}))


@pytest.mark.skipif(
    usable_dtype(Precision.BF16, "cpu") is None, reason="this CPU has no bf16 instructions"
)
class TestBf16OnTheCPU:
    def test_it_is_another_sum_but_the_same_bits_each_time(self) -> None:
        trained = fit_with({"precision": "bf16"})
        assert trained.notes[1:] == (), "behind the note on its few steps"
        assert same_bits(trained, fit_with({"precision": "bf16"}))
        assert not same_bits(trained, fit_with({}))
        assert {w.dtype for w in weights(trained) if w.is_floating_point()} == {torch.float32}

    def test_a_resumed_training_ends_with_the_same_bits(self, tmp_path: Path) -> None:
        overrides = {"precision": "bf16", "epochs": 4}
        checkpoint = CheckpointFile(tmp_path / "checkpoint.pt")
        stops = iter([False] * 5)
        with pytest.raises(TrainingStopped):
            fit_with(overrides, checkpoint=checkpoint, should_stop=lambda: next(stops, True))
        assert same_bits(fit_with(overrides, checkpoint=checkpoint), fit_with(overrides))

    def test_scores_are_those_of_float32_to_bf16s_rounding(self) -> None:
        inputs, _, _ = make_set("preact8")
        trained = fit_with({"precision": "bf16"})
        exact = trained.with_recipe(trained.recipe.with_overrides({"precision": "float32"}))
        found, plain = (predict(t, inputs, with_features=True) for t in (trained, exact))
        assert found.features is not None
        assert plain.features is not None
        scale = np.abs(plain.features).max()
        assert 0 < np.abs(found.features - plain.features).max() < 0.05 * scale
        np.testing.assert_allclose(found.probs, plain.probs, atol=0.05)


class TestWhatTheMachineCannotDo:
    @pytest.mark.parametrize("precision", ["bf16", "fp16"])
    def test_a_cpu_without_it_trains_in_float32_and_says_so(
        self, precision: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
        notes: list[tuple[str, ...]] = []
        trained = fit_with({"precision": precision}, on_progress=lambda p: notes.append(p.notes))
        said = f"{precision} is slower than float32 on this CPU; the model trained in float32."
        assert notes[0] == trained.notes
        assert trained.notes[1:] == (said,), "behind the note on its few steps"
        assert same_bits(trained, fit_with({}))

    def test_a_network_that_does_not_compile_trains_plainly(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        def broken(*_args: object, **_kwargs: object) -> object:
            def call(*_inputs: object) -> None:
                raise RuntimeError("no C++ compiler\nand much more")

            return call

        monkeypatch.setattr(torch, "compile", broken)
        trained = fit_with({"compile": True})
        assert trained.notes[1:] == (
            "The network could not be compiled: RuntimeError: no C++ compiler",
        )
        assert same_bits(trained, fit_with({}))
        trained.save(tmp_path / "m.safetensors")


class TestWarmStart:
    def test_training_goes_on_from_the_given_weights(self) -> None:
        first = fit("preact8")
        still = fit_with({"learning_rate": 1e-8, "epochs": 1}, initial=first)
        for a, b in zip(first.network.parameters(), still.network.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
        assert not same_bits(fit_with({}, initial=first), fit_with({}))

    def test_a_checkpoint_of_other_first_weights_is_not_resumed(self, tmp_path: Path) -> None:
        checkpoint, first = CheckpointFile(tmp_path / "job.pt"), fit("preact8")
        fit_with({}, checkpoint=checkpoint)
        epochs: list[int] = []
        warm = fit_with(
            {}, initial=first, checkpoint=checkpoint, on_progress=lambda p: epochs.append(p.epoch)
        )
        assert epochs == [1, 2, 3, 4]
        assert same_bits(warm, fit_with({}, initial=first))

    def test_a_model_of_another_kind_is_refused(self) -> None:
        inputs, labels, recipe = make_set("preact8")
        with pytest.raises(ValueError, match="cannot start from the weights"):
            train(
                ModelSetup("preact8", recipe),
                LabeledSet(inputs, labels, 3),
                5,
                initial=fit("preact8"),
            )


class TestBadInput:
    def test_divergence_names_epoch_and_step(self) -> None:
        inputs, labels, recipe = make_set("preact8")
        wild = recipe.with_overrides({"learning_rate": 1000.0, "epochs": 30})
        with pytest.raises(TrainingDivergedError, match=r"in epoch \d+, step \d of 4; lower"):
            train(ModelSetup("preact8", wild), LabeledSet(inputs, labels, 2), 5)

    @pytest.mark.parametrize("bad", [-1, 2])
    def test_a_label_beyond_the_classes_is_named(self, bad: int) -> None:
        inputs, labels, recipe = make_set("preact8")
        labels = labels.copy()
        labels[7] = bad
        with pytest.raises(ValueError, match=f"row 7 is {bad}; there are the classes 0..1"):
            train(ModelSetup("preact8", recipe), LabeledSet(inputs, labels, 2), 5)

    def test_as_many_labels_as_inputs(self) -> None:
        inputs, labels, recipe = make_set("preact8")
        with pytest.raises(ValueError, match="60 inputs and 59 labels"):
            train(ModelSetup("preact8", recipe), LabeledSet(inputs, labels[:-1], 2), 5)

    def test_minibatch_larger_than_the_set_is_the_whole_set(self) -> None:
        assert same_bits(fit_with({"minibatch": 60}), fit_with({"minibatch": 4096}))

    @pytest.mark.parametrize("model", ["preact8", "fasttext"])
    def test_one_class_only_and_missing_classes_train(self, model: str) -> None:
        inputs, labels, recipe = make_set(model)
        one = train(ModelSetup(model, recipe), LabeledSet(inputs, np.full_like(labels, 3), 5), 0)
        assert np.isfinite(one.final_loss)
        assert one.n_classes == 5

    def test_checkpoint_of_another_model_or_a_truncated_one_is_ignored(
        self, tmp_path: Path
    ) -> None:
        checkpoint = CheckpointFile(tmp_path / "job.pt")
        inputs, labels, _ = make_set("preact8")
        recipe = resolve_recipe("preact14", {"epochs": 1, "minibatch": 16})
        train(
            ModelSetup("preact14", recipe), LabeledSet(inputs, labels, 2), 5, checkpoint=checkpoint
        )
        assert same_bits(fit("preact8", checkpoint=checkpoint), fit("preact8"))
        whole = checkpoint.path.read_bytes()
        checkpoint.path.write_bytes(whole[: len(whole) // 2])
        assert same_bits(fit("preact8", checkpoint=checkpoint), fit("preact8"))


class TestIdentity:
    def test_a_large_map_is_told_apart_by_sample_and_size(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(training_run, "HASHED_WHOLE_BYTES", 10_000)

        def identity(n: int, value: int) -> str:
            pixels = np.zeros((n, 16, 16, 1), np.uint8)
            pixels[n // 2 :] = value
            labels = np.zeros(len(pixels), np.int64)
            run = TrainingRun(
                ModelSetup("preact8", Recipe((1,), (0.1,))),
                LabeledSet(Images(pixels), labels, 1),
                0,
                device="cpu",
            )
            return run.identity()

        assert identity(100, 0) == identity(100, 0)
        assert len({identity(100, 0), identity(100, 1), identity(101, 0)}) == 3
