"""Recipes that are chosen by the labels: the floor of steps, the user's overrides, the form."""

import math

import numpy as np
import pytest

from models.catalog import (
    MODELS,
    Encoding,
    ModelSetup,
    find_model,
    resolve_choice,
    resolve_recipe,
    resolve_setup,
    setup_from_json,
)
from models.data.arrays import Images
from models.data.encoders import text_encoder
from models.data.labeled import LabeledSet
from models.recipe import RecipeError
from models.recipe_choice import AUTO, FEWEST_STEPS
from models.training.choice import setup_for
from models.training.train import can_start, load_model, train

LABELS = (2, 50, 100, 400, 4_000, 30_000, 1_000_000)
BY_STEPS = [name for name, info in MODELS.items() if info.trainer is None]


def steps_of(setup: ModelSetup, n_labeled: int) -> int:
    return setup.recipe.epochs * math.ceil(n_labeled / setup.recipe.minibatch)


def random_images(n: int, side: int = 8) -> LabeledSet:
    rng = np.random.default_rng(0)
    labels = np.arange(n, dtype=np.int64) % 2
    pixels = rng.integers(0, 60, (n, side, side, 1)) + 150 * labels[:, None, None, None]
    return LabeledSet(Images(pixels.astype(np.uint8)), labels, 2)


class TestEveryModel:
    @pytest.mark.parametrize("model", BY_STEPS)
    def test_a_training_has_steps_enough(self, model: str) -> None:
        for n_labeled in LABELS:
            setup = resolve_choice(model, {}).for_labels(n_labeled)
            assert steps_of(setup, n_labeled) >= FEWEST_STEPS

    @pytest.mark.parametrize("model", [n for n, info in MODELS.items() if info.modality == "text"])
    def test_texts_are_encoded_alike_for_any_number_of_labels(self, model: str) -> None:
        """Packs, and the arrays of a whole experiment, are made once."""
        setup = resolve_choice(model, {})
        keys = {
            text_encoder(find_model(model).encoding, one.recipe).key
            for one in (setup, *(setup.for_labels(n) for n in LABELS))
        }
        assert len(keys) == 1

    @pytest.mark.parametrize("model", MODELS)
    def test_images_are_seen_alike_for_any_number_of_labels(self, model: str) -> None:
        setup = resolve_choice(model, {})
        if find_model(model).encoding is Encoding.PIXELS:
            recipes = [setup.recipe, *(setup.for_labels(n).recipe for n in LABELS)]
            assert len({(r.image_size, r.crop_fraction) for r in recipes}) == 1

    @pytest.mark.parametrize("model", MODELS)
    def test_nothing_is_mirrored_unasked_by_the_number_alone(self, model: str) -> None:
        few = resolve_choice(model, {}).for_labels(100)
        assert not few.recipe.horizontal_flip


class TestOverrides:
    def test_they_are_kept_in_whatever_is_chosen(self) -> None:
        setup = resolve_choice("preact8", {"minibatch": 16, "horizontal_flip": True})
        for n in LABELS:
            recipe = setup.for_labels(n).recipe
            assert (recipe.minibatch, recipe.horizontal_flip) == (16, True)

    def test_epochs_are_the_users_and_a_note_says_that_they_are_few(self) -> None:
        setup = resolve_choice("preact8", {"epochs": 2, "minibatch": 128})
        trained = train(setup, random_images(40), 0)
        assert trained.recipe.epochs == 2
        (note,) = [note for note in trained.notes if "steps" in note]
        assert note.startswith("2 epochs of minibatches of 128 are 2 steps on 40 labels")

    def test_a_chosen_recipe_has_no_such_note(self) -> None:
        setup = resolve_choice("probe", {})
        rng = np.random.default_rng(0)
        from models.data.arrays import Vectors  # noqa: PLC0415

        vectors = Vectors(rng.normal(size=(30, 3)).astype(np.float32))
        trained = train(setup, LabeledSet(vectors, np.arange(30) % 2, 2), 0)
        assert (trained.recipe_name, trained.notes) == ("linear", ())

    @pytest.mark.parametrize(
        "overrides", [{"name": "paper"}, {"epochs_cut": 50}, {"learning_rates": [1, 1, 1, 1]}]
    )
    def test_a_name_or_stages_fix_the_recipe(self, overrides: dict[str, object]) -> None:
        setup = resolve_choice("preact20", overrides)
        assert setup.auto is None
        assert setup.for_labels(100) == ModelSetup(
            "preact20", resolve_recipe("preact20", overrides)
        )

    def test_a_whole_recipe_is_fixed(self) -> None:
        recipe = resolve_recipe("preact20", {"name": "fast"})
        assert resolve_choice("preact20", recipe.to_json()) == ModelSetup("preact20", recipe)

    def test_a_wrong_one_is_refused_at_once(self) -> None:
        with pytest.raises(RecipeError, match="momentum must be a number in 0"):
            resolve_choice("preact8", {"momentum": 7})

    def test_without_auto_the_default_stays_the_published_one(self) -> None:
        assert resolve_setup("preact20", {}).recipe == MODELS["preact20"].recipes["paper"]


class TestTraining:
    def test_it_names_its_recipe_and_a_stored_model_too(self, tmp_path: object) -> None:
        trained = train(resolve_choice("preact8", {"epochs": 1}), random_images(20), 0)
        assert trained.recipe_name == "few_labels"
        assert trained.recipe.crop_padding == 0, "a sixteenth of 8 pixels"
        path = tmp_path / "m.safetensors"  # type: ignore[operator]
        trained.save(path)
        assert load_model(path).recipe_name == "few_labels"

    def test_a_setup_survives_json(self) -> None:
        setup = resolve_choice("preact8", {"minibatch": 16})
        assert setup_from_json(setup.to_json()) == setup
        assert setup.auto == {"minibatch": 16}

    def test_a_round_starts_from_the_one_before_though_its_epochs_differ(self) -> None:
        setup = resolve_setup("probe", {"name": AUTO, "warm_start": True})
        from models.data.arrays import Vectors  # noqa: PLC0415

        values = np.random.default_rng(0).normal(size=(900, 3)).astype(np.float32)
        few, more = (LabeledSet(Vectors(values[:n]), np.arange(n) % 2, 2) for n in (30, 900))
        before = train(setup, few, 0)
        assert before.recipe != setup_for(setup, more).recipe
        assert can_start(before, setup, more)
        wider = resolve_setup("probe", {"name": AUTO, "warm_start": True, "hidden": 4})
        assert not can_start(before, wider, more)
