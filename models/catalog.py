"""Which models exist and how they are trained; data only, free of torch.

An installed package brings a model by an entry point of the group `svp.models`, whose name is the
model's and whose object is a `ModelPlugin`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from models import recipes
from models.recipe import Recipe, RecipeError

__all__ = ["MODELS", "Modality", "ModelInfo", "RecipeError", "UnknownModelError", "resolve_recipe"]


class Modality(StrEnum):
    """What a project's items are."""

    IMAGE = "image"
    TEXT = "text"


class UnknownModelError(ValueError):
    """No model has this name; the message lists those that exist."""


@dataclass(frozen=True)
class ModelInfo:
    """One model: its name in the API, what it takes and its recipes.

    Attributes:
        recipes: by name; the first is the default.
    """

    name: str
    title: str
    description: str
    modality: Modality
    recipes: Mapping[str, Recipe]

    @property
    def recipe(self) -> Recipe:
        """The default recipe."""
        return next(iter(self.recipes.values()))


def _preact(depth: int) -> ModelInfo:
    return ModelInfo(
        f"preact{depth}",
        f"Pre-activation ResNet {depth}",
        f"ResNet v2 with {depth} layers for small images, widths 16, 32, 64.",
        Modality.IMAGE,
        recipes.CIFAR,
    )


MODELS: Mapping[str, ModelInfo] = MappingProxyType(
    {
        info.name: info
        for info in (
            _preact(8),
            _preact(20),
            _preact(56),
            ModelInfo(
                "fasttext",
                "fastText twin",
                "Hashed word n-grams, mean embedding, linear layer: fastText's model in torch.",
                Modality.TEXT,
                recipes.FASTTEXT,
            ),
        )
    }
)


def resolve_recipe(model: str, overrides: Mapping[str, object]) -> Recipe:
    """Return the recipe that `name` names (else the default one), the other overrides applied.

    Raises:
        UnknownModelError: no such model.
        RecipeError: an override is unknown or not allowed, or no recipe has the name.
    """
    if model not in MODELS:
        raise UnknownModelError(f"There is no model {model!r}; known are {', '.join(MODELS)}.")
    info, values = MODELS[model], dict(overrides)
    if "name" not in values:
        return info.recipe.with_overrides(values)
    name = values.pop("name")
    if name not in list(info.recipes):
        known = ", ".join(info.recipes)
        raise RecipeError(f"{model} has no recipe {name!r}; known are {known}.")
    return info.recipes[str(name)].with_overrides(values)
