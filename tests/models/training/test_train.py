"""Training is deterministic, resumable and stoppable."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from models.catalog import MODELS, Modality, ModelSetup, resolve_recipe
from models.data.arrays import Images, Inputs
from models.data.labeled import LabeledSet
from models.data.readers import read_digits
from models.data.text import encode
from models.predict import accuracy, predict
from models.recipe import Recipe, RecipeError, recipe_from_json
from models.training.checkpoints import CheckpointFile
from models.training.train import (
    TrainedModel,
    TrainingDivergedError,
    TrainingStopped,
    load_model,
    train,
)
from tests.numpy_preact import probabilities

FAST = {"epochs": 4, "learning_rate": 0.05, "minibatch": 16}


def make_set(model: str, n: int = 60) -> tuple[Inputs, np.ndarray, Recipe]:
    if MODELS[model].modality is Modality.TEXT:
        labels = np.arange(n) % 2
        words = np.where(labels == 0, "good", "bad")
        recipe = resolve_recipe(model, {"buckets": 500, "epochs": 20})
        return encode([f"item {i} is {w}" for i, w in enumerate(words)], 2, 500), labels, recipe
    digits = read_digits().train
    two = digits.take(np.flatnonzero(digits.labels < 2)[:n])
    assert isinstance(two.content, Images)
    recipe = resolve_recipe(model, {**FAST, "crop_padding": 1, "horizontal_flip": False})
    return two.content, two.labels, recipe


def fit(model: str, n: int = 60, **kwargs: object) -> TrainedModel:
    inputs, labels, recipe = make_set(model, n)
    return train(ModelSetup(model, recipe), LabeledSet(inputs, labels, 2), 5, **kwargs)  # type: ignore[arg-type]


def weights(trained: TrainedModel) -> list[torch.Tensor]:
    return list(trained.network.state_dict().values())


class TestTrain:
    @pytest.mark.parametrize("model", ["preact8", "fasttext"])
    def test_learns_what_can_be_learned(self, model: str) -> None:
        inputs, labels, _ = make_set(model)
        assert accuracy(predict(fit(model), inputs).probs, labels) > 0.9

    @pytest.mark.parametrize("model", ["preact8", "fasttext"])
    def test_same_seed_gives_the_same_bits(self, model: str) -> None:
        for a, b in zip(weights(fit(model)), weights(fit(model)), strict=True):
            assert torch.equal(a, b)

    def test_resumed_training_ends_with_the_same_bits(self, tmp_path: Path) -> None:
        checkpoint = CheckpointFile(tmp_path / "job.pt")
        epochs: list[int] = []
        with pytest.raises(TrainingStopped):
            fit(
                "preact8",
                checkpoint=checkpoint,
                on_progress=lambda p: epochs.append(p.epoch),
                should_stop=lambda: len(epochs) == 2,
            )
        resumed = fit(
            "preact8", checkpoint=checkpoint, on_progress=lambda p: epochs.append(p.epoch)
        )
        assert epochs == [1, 2, 3, 4]
        for a, b in zip(weights(resumed), weights(fit("preact8")), strict=True):
            assert torch.equal(a, b)

    def test_damaged_or_foreign_checkpoint_is_ignored(self, tmp_path: Path) -> None:
        checkpoint = CheckpointFile(tmp_path / "job.pt")
        checkpoint.path.write_bytes(b"half a file")
        assert checkpoint.load("x") is None
        checkpoint.save("x", {"epoch": 1})
        assert checkpoint.load("another") is None
        assert checkpoint.load("x") == {"identity": "x", "epoch": 1}

    @pytest.mark.parametrize("n", [1, 2, 17])
    def test_small_and_odd_labeled_sets_train(self, n: int) -> None:
        assert np.isfinite(fit("preact8", n).final_loss)

    def test_diverged_training_says_what_to_do(self) -> None:
        inputs, labels, recipe = make_set("preact8")
        wild = recipe.with_overrides({"learning_rate": 1000.0, "epochs": 30})
        with pytest.raises(TrainingDivergedError, match="lower the learning rate"):
            train(ModelSetup("preact8", wild), LabeledSet(inputs, labels, 2), 5)

    def test_saved_model_predicts_the_same(self, tmp_path: Path) -> None:
        inputs, _, _ = make_set("preact8")
        trained = fit("preact8")
        trained.save(tmp_path / "m.safetensors")
        loaded = load_model(tmp_path / "m.safetensors")
        np.testing.assert_array_equal(predict(loaded, inputs).probs, predict(trained, inputs).probs)

    def test_predictions_do_not_depend_on_the_minibatch(self) -> None:
        inputs, _, _ = make_set("preact8")
        trained = fit("preact8")
        whole = predict(trained, inputs, with_features=True)
        parts = predict(trained, inputs, minibatch=7, with_features=True)
        np.testing.assert_allclose(whole.probs, parts.probs, atol=1e-5)
        assert whole.features is not None
        assert whole.features.shape == (60, 64)

    def test_colour_images_of_any_size_train(self) -> None:
        rng = np.random.default_rng(0)
        images = Images(rng.integers(0, 256, (20, 12, 12, 3), dtype=np.uint8))
        recipe = resolve_recipe("preact8", {**FAST, "epochs": 1})
        assert (
            train(
                ModelSetup("preact8", recipe), LabeledSet(images, np.arange(20) % 2, 2), 0
            ).spec.channels
            == 3
        )


class TestRecipe:
    def test_epochs_override_scales_the_papers_stages(self) -> None:
        recipe = MODELS["preact20"].recipe
        assert recipe.epochs == 181
        assert recipe.with_overrides({"epochs": 20}).epochs_per_stage == (0, 10, 5, 5)
        assert [recipe.learning_rate_at(e) for e in (0, 1, 90, 91, 180)] == [
            0.01,
            0.1,
            0.1,
            0.01,
            0.001,
        ]

    def test_json_round_trip_keeps_the_hash(self) -> None:
        recipe = resolve_recipe("fasttext", {"buckets": 1000})
        assert recipe_from_json(recipe.to_json()).hash == recipe.hash

    @pytest.mark.parametrize(
        ("overrides", "field"),
        [
            ({"epoch": 3}, "epoch"),
            ({"minibatch": 0}, "minibatch"),
            ({"minibatch": 2.5}, "minibatch"),
            ({"momentum": "high"}, "momentum"),
            ({"horizontal_flip": 1}, "horizontal_flip"),
            ({"learning_rates": []}, "learning_rates"),
        ],
    )
    def test_bad_override_is_named(self, overrides: dict[str, object], field: str) -> None:
        with pytest.raises(RecipeError, match=field):
            resolve_recipe("preact8", overrides)


class TestTexts:
    def test_take_equals_encoding_the_taken(self) -> None:
        texts = ["a b c", "", "d", "e, f!"]
        taken = encode(texts, 2, 100).take(np.array([3, 1, 0]))
        again = encode([texts[3], texts[1], texts[0]], 2, 100)
        np.testing.assert_array_equal(taken.token_ids, again.token_ids)
        np.testing.assert_array_equal(taken.offsets, again.offsets)


@pytest.mark.parametrize("model", ["preact8", "preact20"])
def test_numpy_recomputes_the_probabilities_from_the_stored_weights(
    model: str, tmp_path: Path
) -> None:
    inputs, _, _ = make_set(model)
    assert isinstance(inputs, Images)
    trained = fit(model)
    trained.save(tmp_path / "model.safetensors")
    recomputed = probabilities(load_file(tmp_path / "model.safetensors"), inputs.pixels)
    np.testing.assert_allclose(predict(trained, inputs).probs, recomputed, atol=2e-5)


class TestMeasuring:
    def test_numbers_of_each_epoch_are_kept_also_when_resumed(self, tmp_path: Path) -> None:
        images = Images(np.random.default_rng(0).integers(0, 256, (24, 8, 8, 1), np.uint8))
        labels = np.arange(24, dtype=np.int64) % 2
        recipe = resolve_recipe("preact8", {"epochs": 4, "minibatch": 8})
        seen: list[int] = []

        def measure(epoch: int, trained: TrainedModel) -> float:
            seen.append(epoch)
            return float(predict(trained, images).probs[0, 0])

        def trained(**more: Any) -> TrainedModel:
            return train(
                ModelSetup("preact8", recipe),
                LabeledSet(images, labels, 2),
                1,
                on_epoch=measure,
                **more,
            )

        whole, plain = (
            trained(),
            train(ModelSetup("preact8", recipe), LabeledSet(images, labels, 2), 1),
        )
        assert seen == [1, 2, 3, 4]
        assert len(whole.measured) == 4
        assert whole.measured[-1] == float(predict(plain, images).probs[0, 0])
        checkpoint = CheckpointFile(tmp_path / "one.pt")
        with pytest.raises(TrainingStopped):
            trained(checkpoint=checkpoint, should_stop=lambda: len(seen) == 6)
        assert trained(checkpoint=checkpoint).measured == whole.measured
        assert seen == [1, 2, 3, 4, 1, 2, 3, 4]

    def test_a_kept_end_is_read_again_without_training(self, tmp_path: Path) -> None:
        images = Images(np.random.default_rng(0).integers(0, 256, (24, 8, 8, 1), np.uint8))
        labels = np.arange(24, dtype=np.int64) % 2
        recipe = resolve_recipe("preact8", {"epochs": 3, "minibatch": 8})

        def trained(checkpoint: CheckpointFile) -> list[int]:
            seen: list[int] = []
            train(
                ModelSetup("preact8", recipe),
                LabeledSet(images, labels, 2),
                1,
                checkpoint=checkpoint,
                on_progress=lambda p: seen.append(p.epoch),
            )
            return seen

        often = CheckpointFile(tmp_path / "kept.pt", every_seconds=1e6, keeps_end=True)
        assert trained(often) == [1, 2, 3]
        assert trained(often) == []
        seldom = CheckpointFile(tmp_path / "seldom.pt", every_seconds=1e6)
        trained(seldom)
        assert trained(seldom) != []
