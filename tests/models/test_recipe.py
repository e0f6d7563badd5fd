"""Recipes: the paper's to the digit, overrides that say what is wrong, schedules, stable hashes."""

import numpy as np
import pytest

from models.catalog import MODELS, resolve_recipe
from models.recipe import Precision, Recipe, RecipeError, recipe_from_json

ALL = [(model, name) for model, info in MODELS.items() for name in info.recipes]


class TestNames:
    @pytest.mark.parametrize(("model", "name"), ALL)
    def test_every_recipe_is_found_by_its_name_and_survives_json(
        self, model: str, name: str
    ) -> None:
        recipe = resolve_recipe(model, {"name": name})
        assert recipe == MODELS[model].recipes[name]
        assert recipe_from_json(recipe.to_json()) == recipe
        assert recipe_from_json(recipe.to_json()).hash == recipe.hash

    def test_a_named_recipe_takes_overrides(self) -> None:
        recipe = resolve_recipe("preact20", {"name": "fast", "epochs": 12})
        assert (recipe.epochs, recipe.schedule) == (12, "one_cycle")

    @pytest.mark.parametrize("name", ["quick", 3, ["paper"], None])
    def test_an_unknown_name_lists_the_known_ones(self, name: object) -> None:
        with pytest.raises(RecipeError, match="paper, paper_50_epochs, fast"):
            resolve_recipe("preact20", {"name": name})

    def test_hashes_of_stored_results_hold(self) -> None:
        assert resolve_recipe("fasttext", {}).hash == "99de378374bc"
        assert resolve_recipe("preact20", {}).hash == "8c76db53ffd1"
        assert resolve_recipe("preact20", {"nesterov": True}).hash != "8c76db53ffd1"


class TestPaper:
    def test_cifar(self) -> None:
        recipe = resolve_recipe("preact20", {"name": "paper"})
        assert recipe.epochs == 181
        assert recipe == Recipe(
            epochs_per_stage=(1, 90, 45, 45),
            learning_rates=(0.01, 0.1, 0.01, 0.001),
            minibatch=128,
            momentum=0.9,
            weight_decay=5e-4,
            crop_padding=4,
            horizontal_flip=True,
        )

    def test_cifar_proxy_of_50_epochs(self) -> None:
        recipe = resolve_recipe("preact20", {"name": "paper_50_epochs"})
        assert recipe.epochs_per_stage == (1, 45, 4)
        assert recipe.learning_rates == (0.01, 0.1, 0.01)

    @pytest.mark.parametrize("model", ["resnet18", "resnet50"])
    def test_imagenet(self, model: str) -> None:
        recipe = resolve_recipe(model, {"name": "paper"})
        assert recipe == Recipe(
            epochs_per_stage=(1, 1, 1, 1, 1, 25, 30, 20, 20),
            learning_rates=(0.0167, 0.0333, 0.05, 0.0667, 0.0833, 0.1, 0.01, 0.001, 0.0001),
            minibatch=256,
            momentum=0.9,
            weight_decay=1e-4,
            label_smoothing=0.1,
            horizontal_flip=True,
            random_resized_crop=True,
            precision=Precision.FP16,
            crop_fraction=0.875,
        )
        assert MODELS[model].default_side == 224
        together = resolve_recipe(model, {"name": "paper_active_learning"})
        assert together.minibatch == 768
        assert max(together.learning_rates) == pytest.approx(0.3)

    @pytest.mark.parametrize("model", ["vdcnn9", "vdcnn29"])
    def test_vdcnn(self, model: str) -> None:
        assert resolve_recipe(model, {"name": "paper"}) == Recipe(
            epochs_per_stage=(3, 3, 3, 3, 3),
            learning_rates=(0.01, 0.005, 0.0025, 0.00125, 0.000625),
            minibatch=128,
            momentum=0.9,
            weight_decay=1e-4,
            max_chars=1014,
        )

    def test_fasttext(self) -> None:
        recipe = resolve_recipe("fasttext", {"name": "paper"})
        assert (recipe.dim, recipe.word_ngrams, recipe.buckets) == (10, 2, 10_000_000)
        assert (recipe.epochs, recipe.learning_rates) == (5, (0.05,))


class TestFewerEpochs:
    def test_epochs_rescales_the_stages(self) -> None:
        recipe = resolve_recipe("preact20", {"epochs": 50})
        assert recipe.epochs_per_stage == (0, 25, 13, 12)
        assert recipe.learning_rates == (0.01, 0.1, 0.01, 0.001)

    def test_epochs_cut_ends_the_schedule(self) -> None:
        recipe = resolve_recipe("preact20", {"epochs_cut": 100})
        assert recipe.epochs_per_stage == (1, 90, 9)
        assert recipe.learning_rates == (0.01, 0.1, 0.01)
        whole = resolve_recipe("preact20", {})
        for epoch in range(100):
            assert recipe.learning_rate_at(epoch) == whole.learning_rate_at(epoch)

    @pytest.mark.parametrize("cut", [0, 182, 2.5, "ten"])
    def test_a_cut_outside_the_schedule_is_refused(self, cut: object) -> None:
        with pytest.raises(RecipeError, match="epochs_cut"):
            resolve_recipe("preact20", {"epochs_cut": cut})

    def test_one_cycle_is_not_cut(self) -> None:
        with pytest.raises(RecipeError, match="override epochs instead"):
            resolve_recipe("preact20", {"name": "fast", "epochs_cut": 3})


class TestOneCycle:
    def test_it_rises_once_to_the_peak_and_falls_to_zero(self) -> None:
        recipe = Recipe((10,), (0.4,)).with_overrides(
            {"schedule": "one_cycle", "warmup_fraction": 0.25}
        )
        rates = [recipe.learning_rate_at(e) for e in np.arange(0, 10, 0.01)]
        assert max(rates) == pytest.approx(0.4)
        assert np.argmax(rates) == 250
        assert (np.diff(rates[:251]) > 0).all()
        assert (np.diff(rates[250:]) < 0).all()
        assert rates[-1] < 0.001
        with pytest.raises(IndexError):
            recipe.learning_rate_at(10)

    def test_without_warm_up_it_starts_at_the_peak(self) -> None:
        recipe = Recipe((4,), (0.4,)).with_overrides({"schedule": "one_cycle"})
        assert [recipe.learning_rate_at(e) for e in (0, 2)] == [0.4, 0.2]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schedule", "cosine"),
        ("schedule", ["steps"]),
        ("precision", 16),
        ("downsampling", "mean"),
        ("warmup_fraction", 1.0),
        ("nesterov", "yes"),
        ("decay_norms", 0),
        ("compile", None),
        ("cutout", -1),
        ("max_chars", 0),
        ("hidden", 1.5),
        ("weights", "/etc/passwd"),
        ("weights", 7),
    ],
)
def test_a_value_that_is_not_allowed_is_named(field: str, value: object) -> None:
    with pytest.raises(RecipeError, match=field):
        resolve_recipe("preact8", {field: value})


@pytest.mark.parametrize(
    "overrides",
    [
        {"epochs_per_stage": [0, 0, 0, 0], "epochs": 2},
        {"epochs_per_stage": [0, 0, 0, 0], "epochs_cut": 1},
        {"epochs_per_stage": [0, 0, 0, 0]},
        {"learning_rates": [0, 0, 0, 0], "learning_rate": 0.1},
        {"learning_rates": [0, 0, 0, 5e-324], "learning_rate": 0.1},
        {"learning_rates": [0.0, 0.0, 0.0, 0.0]},
    ],
)
def test_stages_in_which_nothing_is_learned_are_refused(overrides: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=next(iter(overrides))):
        resolve_recipe("preact8", overrides)
