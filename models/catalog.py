"""Which models exist and how they are trained by default; data only, free of torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

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
    """One model: its name in the API, what it takes and its default recipe."""

    name: str
    title: str
    description: str
    modality: Modality
    recipe: Recipe


# Source: Selection via Proxy, section 4 and appendix (SVP_REFERENCE.md): 181 epochs.
CIFAR_RECIPE = Recipe(
    epochs_per_stage=(1, 90, 45, 45),
    learning_rates=(0.01, 0.1, 0.01, 0.001),
    crop_padding=4,
    horizontal_flip=True,
)
# The paper's fastText (dim 10, bigrams, 5 epochs at 0.05, 10,000,000 buckets) is made for millions
# of texts: on hundreds of labels it does not leave chance. 25 epochs of small minibatches at 1.0
# learn from 500 (Amazon reviews of 14 domains: 73% at 500 labels, 80% at 2,000).
FASTTEXT_RECIPE = Recipe(
    epochs_per_stage=(25,), learning_rates=(1.0,), minibatch=4, momentum=0.0, weight_decay=0.0
)


def _preact(depth: int) -> ModelInfo:
    return ModelInfo(
        f"preact{depth}",
        f"Pre-activation ResNet {depth}",
        f"ResNet v2 with {depth} layers for small images, widths 16, 32, 64.",
        Modality.IMAGE,
        CIFAR_RECIPE,
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
                FASTTEXT_RECIPE,
            ),
        )
    }
)


def resolve_recipe(model: str, overrides: Mapping[str, object]) -> Recipe:
    """Return the model's default recipe with the overrides applied.

    Raises:
        UnknownModelError: no such model.
        RecipeError: an override is unknown or not allowed.
    """
    if model not in MODELS:
        raise UnknownModelError(f"There is no model {model!r}; known are {', '.join(MODELS)}.")
    return MODELS[model].recipe.with_overrides(overrides)
