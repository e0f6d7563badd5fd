"""The least memory of a training: never overestimated, large enough to refuse absurd recipes."""

import pytest
import torch

from models.catalog import MODELS, Encoding, find_model, resolve_recipe
from models.data.arrays import InputSpec
from models.networks.build import build
from models.recipe import RecipeError
from models.size import MOST_EPOCHS, check_size, training_bytes

GIB = 1024**3
N_CLASSES = 10


@pytest.mark.parametrize("model", ["preact8", "resnet18", "vdcnn9", "fasttext", "probe", "vgg11"])
def test_estimate_is_at_most_what_the_network_and_its_inputs_take(model: str) -> None:
    info = find_model(model)
    for name in info.recipes:
        recipe = resolve_recipe(model, {"name": name, "minibatch": 1})
        is_probe = info.encoding is Encoding.VECTORS
        with torch.device("meta"):
            network = build(model, N_CLASSES, recipe, InputSpec(width=64) if is_probe else None)
        weights = sum(4 * p.numel() for p in network.parameters())
        copies = 3 if recipe.momentum else 1
        is_image = info.encoding is Encoding.PIXELS
        one_item = 224**2 * 4 * (3 + 64) if is_image else 1014 * 4 * (16 + 64)
        assert training_bytes(info, recipe, N_CLASSES) <= weights * copies + one_item


@pytest.mark.parametrize("model", MODELS)
def test_recipes_of_the_catalog_fit_into_an_ordinary_machine(model: str) -> None:
    info = find_model(model)
    for name in info.recipes:
        check_size(info, resolve_recipe(model, {"name": name}), 1000, 8 * GIB)


def test_fasttexts_weights_are_counted_to_the_byte() -> None:
    recipe = resolve_recipe("fasttext", {"buckets": 50_000_000, "dim": 4096, "minibatch": 1})
    exact = 4 * 4096 * (50_000_000 + N_CLASSES)
    assert exact <= training_bytes(find_model("fasttext"), recipe, N_CLASSES) <= exact + 100_000


@pytest.mark.parametrize(
    ("model", "recipe", "fields"),
    [
        ("fasttext", {"buckets": 50_000_000, "dim": 4096}, "buckets, dim"),
        ("fasttext_official", {"buckets": 50_000_000, "dim": 4096}, "buckets, dim"),
        ("preact8", {"image_size": 512, "minibatch": 65_536}, "image_size"),
        ("resnet50", {"image_size": 512, "minibatch": 65_536}, "image_size"),
        ("vdcnn9", {"max_chars": 100_000, "minibatch": 65_536}, "max_chars"),
        ("probe", {"hidden": 65_536, "minibatch": 65_536}, "hidden"),
    ],
)
def test_what_multiplies_beyond_the_memory_is_refused(
    model: str, recipe: dict[str, object], fields: str
) -> None:
    with pytest.raises(RecipeError, match=f"make {fields}.* smaller"):
        check_size(find_model(model), resolve_recipe(model, recipe), N_CLASSES, 16 * GIB)


@pytest.mark.parametrize(
    "recipe",
    [
        {"epochs": MOST_EPOCHS + 1},
        {"epochs_per_stage": [MOST_EPOCHS, 1], "learning_rates": [0.1, 0.1]},
        {"epochs_per_stage": [1] + [0] * 5_000, "learning_rates": [0.1] * 5_001},
    ],
)
def test_epochs_without_end_are_refused(recipe: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match="epochs may be at most"):
        check_size(find_model("preact8"), resolve_recipe("preact8", recipe), 2, None)
