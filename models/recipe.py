"""Recipe: how one model is trained. Free of torch, so that the API may validate with it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any


class RecipeError(ValueError):
    """A recipe's field is unknown or has a value that is not allowed; the message says which."""


@dataclass(frozen=True)
class Recipe:
    """How one model is trained.

    Attributes:
        epochs_per_stage: epochs at each learning rate.
        learning_rates: one per stage.
        minibatch: items per step of SGD.
        momentum: of SGD.
        weight_decay: of SGD, on every weight.
        label_smoothing: 0..1.
        crop_padding: pixels of padding of the random crop; 0 = no crop.
        horizontal_flip: whether to mirror half of the images.
        image_size: side in pixels that images are brought to; None = the first pool item's.
        dim: width of the mean embedding (texts).
        word_ngrams: longest n-gram of words (texts).
        buckets: number of hash buckets (texts).
    """

    epochs_per_stage: tuple[int, ...]
    learning_rates: tuple[float, ...]
    minibatch: int = 128
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    crop_padding: int = 0
    horizontal_flip: bool = False
    image_size: int | None = None
    dim: int = 10
    word_ngrams: int = 2
    buckets: int = 200_000

    @property
    def epochs(self) -> int:
        """Epochs over all stages."""
        return sum(self.epochs_per_stage)

    @property
    def hash(self) -> str:
        """First 12 hex digits of the SHA-256 of the recipe's canonical JSON."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as JSON values; `recipe_from_json` reads it back."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def learning_rate_at(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 0."""
        for epochs, rate in zip(self.epochs_per_stage, self.learning_rates, strict=True):
            if epoch < epochs:
                return rate
            epoch -= epochs
        raise IndexError("the epoch is beyond the recipe's last")

    def with_overrides(self, overrides: Mapping[str, object]) -> "Recipe":
        """Return the recipe with these fields replaced.

        Beside the fields, `epochs` scales the stages to that total and `learning_rate` scales the
        rates to that highest one.

        Raises:
            RecipeError: an unknown field, or a value that is not allowed.
        """
        values = dict(overrides)
        epochs, rate = values.pop("epochs", None), values.pop("learning_rate", None)
        unknown = sorted(set(values) - {f.name for f in fields(self)})
        if unknown:
            known = ", ".join(["epochs", "learning_rate", *(f.name for f in fields(self))])
            raise RecipeError(f"A recipe has no field {', '.join(unknown)}; known are {known}.")
        recipe = replace(self, **{name: _checked(name, v) for name, v in values.items()})
        if epochs is not None:
            recipe = _scale_epochs(recipe, int(_number("epochs", epochs, 1, 100_000, whole=True)))
        if rate is not None:
            factor = _number("learning_rate", rate, 1e-8, 1e3) / max(recipe.learning_rates)
            recipe = replace(
                recipe, learning_rates=tuple(r * factor for r in recipe.learning_rates)
            )
        if len(recipe.epochs_per_stage) != len(recipe.learning_rates):
            raise RecipeError("epochs_per_stage and learning_rates must have the same length.")
        return recipe


LIMITS: Mapping[str, tuple[float, float]] = {
    "minibatch": (1, 65_536),
    "momentum": (0, 0.9999),
    "weight_decay": (0, 1),
    "label_smoothing": (0, 0.99),
    "crop_padding": (0, 64),
    "image_size": (8, 512),
    "dim": (1, 4096),
    "word_ngrams": (1, 5),
    "buckets": (16, 50_000_000),
}
WHOLE = frozenset({"minibatch", "crop_padding", "image_size", "dim", "word_ngrams", "buckets"})


def recipe_from_json(values: Mapping[str, Any]) -> Recipe:
    """Return the recipe that `Recipe.to_json` wrote, checked anew."""
    return Recipe((1,), (0.1,)).with_overrides(values)


def _number(name: str, value: object, low: float, high: float, *, whole: bool = False) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RecipeError(f"{name} must be a number, not {value!r}.")
    if not low <= value <= high or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise RecipeError(f"{name} must be {kind} in {low}..{high}, not {value!r}.")
    return value


def _checked(name: str, value: object) -> Any:
    if name == "image_size" and value is None:
        return None
    if name == "horizontal_flip":
        if not isinstance(value, bool):
            raise RecipeError(f"horizontal_flip must be true or false, not {value!r}.")
        return value
    if name in LIMITS:
        number = _number(name, value, *LIMITS[name], whole=name in WHOLE)
        return int(number) if name in WHOLE else float(number)
    if not isinstance(value, list | tuple) or not value:
        raise RecipeError(f"{name} must be a list of numbers, not {value!r}.")
    if name == "epochs_per_stage":
        return tuple(int(_number(name, v, 0, 100_000, whole=True)) for v in value)
    return tuple(_number(name, v, 0, 1e3) for v in value)


def _scale_epochs(recipe: Recipe, epochs: int) -> Recipe:
    """Return the recipe with its stages scaled to `epochs` in all, by largest remainder."""
    total = recipe.epochs
    exact = [e * epochs / total for e in recipe.epochs_per_stage]
    scaled = [int(e) for e in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (scaled[i] - exact[i], -exact[i]))
    for stage in by_remainder[: epochs - sum(scaled)]:
        scaled[stage] += 1
    return replace(recipe, epochs_per_stage=tuple(scaled))
