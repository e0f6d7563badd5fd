"""Chooses the recipe of a training by the model, the items and the number of labels.

For where the user names none. Hundreds of labels need other recipes than the published ones: with
their minibatches and epochs a training on 400 labels is over after some steps.
tests/benchmarks/models/bench_defaults.py measures what is chosen against simple baselines.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from models.recipe import Recipe

AUTO = "auto"  # the name of a recipe that is chosen for each training anew
FEWEST_STEPS = 400  # of SGD from fresh weights
SET_EPOCHS = frozenset({"epochs", "epochs_cut", "epochs_per_stage"})
# Who sets one of these means the stages of the model's default recipe.
OF_STAGES = frozenset({"epochs_cut", "epochs_per_stage", "learning_rates"})
CROP_SHARE = 1 / 16  # of an image's side, by which it is shifted at most

ByLabels = Sequence[tuple[int, str]]
"""(labels, name of the recipe from so many labels on), ascending, the first from 0 on."""


def chosen_name(by_labels: ByLabels, n_labeled: int) -> str:
    """Return the name of the recipe for so many labels."""
    return [name for fewest, name in by_labels if n_labeled >= fewest][-1]


def chosen_recipe(
    recipe: Recipe, overrides: Mapping[str, object], n_labeled: int, side: int = 0
) -> Recipe:
    """Return a recipe fitted to the labels and items, and changed as the user wants.

    Unless the user sets the epochs, there are as many as give FEWEST_STEPS. Random crops shift by a
    share of the side; 2 pixels are much of a digit of 8.

    Args:
        recipe: that was chosen by its name.
        overrides: as Recipe.with_overrides takes them.
        n_labeled: m.
        side: of the images, in pixels; 0: of texts and vectors, or not known.

    Raises:
        RecipeError: an override is not allowed.
    """
    if side and recipe.crop_padding:
        recipe = replace(recipe, crop_padding=round(side * CROP_SHARE))
    recipe = recipe.with_overrides(overrides)
    if SET_EPOCHS & set(overrides):
        return recipe
    steps_per_epoch = math.ceil(max(n_labeled, 1) / recipe.minibatch)
    epochs = max(recipe.epochs, math.ceil(FEWEST_STEPS / steps_per_epoch))
    return recipe.with_overrides({"epochs": epochs})


def note_on_steps(recipe: Recipe, n_labeled: int) -> str | None:
    """Return a note where a training has fewer steps than FEWEST_STEPS; None where it has not."""
    steps = recipe.epochs * math.ceil(n_labeled / recipe.minibatch)
    if steps >= FEWEST_STEPS:
        return None
    return (
        f"{recipe.epochs} epochs of minibatches of {recipe.minibatch} are {steps} steps on "
        f"{n_labeled} labels; below {FEWEST_STEPS} a model has hardly learned. Set more epochs or "
        "a smaller minibatch, or leave both out."
    )
