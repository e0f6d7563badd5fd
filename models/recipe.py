"""Recipe: how one model is trained. Free of torch, so that the API may validate with it."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from models.recipe_values import (
    HIGHEST_RATE,
    LOWEST_PEAK,
    Downsampling,
    Precision,
    RecipeError,
    Schedule,
    checked,
    number_within,
)

__all__ = ["Downsampling", "Precision", "Recipe", "RecipeError", "Schedule", "recipe_from_json"]


@dataclass(frozen=True)
class Recipe:
    """Settings by which one model is trained.

    Attributes:
        epochs_per_stage: epochs at each learning rate.
        learning_rates: one per stage; `one_cycle` rises to the highest.
        minibatch: items per step of SGD.
        momentum: of SGD.
        weight_decay: of SGD, on every weight.
        label_smoothing: 0..1.
        crop_padding: pixels of padding of the random crop; 0 = no crop.
        horizontal_flip: whether to mirror half of the images.
        image_size: side in pixels that images are scaled to; None = the model's, else the median
            of the pool's.
        dim: width of the mean embedding (texts).
        word_ngrams: longest n-gram of words (texts).
        buckets: number of hash buckets (texts).
        schedule: how the learning rate changes.
        warmup_fraction: share of the steps in which `one_cycle` rises.
        nesterov: whether SGD's momentum looks ahead.
        decay_norms: whether biases and the weights of norms are decayed too.
        precision: of the matrix products, in training and scoring (models.training.precision).
        compile: whether to compile the network where that works.
        cutout: side in pixels of the square that is blanked in each image; 0 = none.
        random_resized_crop: whether to crop at a random scale and aspect (ImageNet).
        max_chars: characters of a text that are read (VDCNN).
        downsampling: between the widths of VDCNN.
        hidden: width of the hidden layer of a probe on frozen features; 0 = none.
        warm_start: whether a round starts from the previous round's weights.
        weights: file of weights to start from (models.networks.pretrained); None = fresh ones.
        crop_fraction: share of an image's side that the network sees: the centre when it scores,
            what random resized crops are scaled to when it learns (224 of 256: 0.875).
        threads: of the official fastText library; with more than one, no seed repeats a training.
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
    schedule: Schedule = Schedule.STEPS
    warmup_fraction: float = 0.0
    nesterov: bool = False
    decay_norms: bool = True
    precision: Precision = Precision.FLOAT32
    compile: bool = False
    cutout: int = 0
    random_resized_crop: bool = False
    max_chars: int = 1014
    downsampling: Downsampling = Downsampling.MAX_POOL
    hidden: int = 0
    warm_start: bool = False
    weights: str | None = None
    crop_fraction: float = 1.0
    threads: int = 1

    @property
    def epochs(self) -> int:
        """Epochs over all stages."""
        return sum(self.epochs_per_stage)

    def view_side(self, side: int) -> int:
        """Return how many pixels of an image's side the network sees."""
        return round(side * self.crop_fraction)

    @property
    def network_fields(self) -> tuple[Any, ...]:
        """The fields that decide a network's weights: their number, and what inputs stand for."""
        return tuple(getattr(self, name) for name in NETWORK_FIELDS)

    @property
    def hash(self) -> str:
        """First 12 hex digits of the SHA-256 of the recipe's canonical JSON."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as JSON values; `recipe_from_json` reads it back."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def check_weights_name(self) -> None:
        """Refuse `weights` that are not the plain name of a file in the worker's folder of weights.

        Raises:
            RecipeError: they hold a separator, or a character that a plain name may not hold.
        """
        if self.weights is not None and not PLAIN_NAME.fullmatch(self.weights):
            raise RecipeError(
                "weights must be the plain name of a file in the workers' SVP_WEIGHTS_FOLDER, "
                f"not {self.weights!r}."
            )

    def with_weights_in(self, folder: Path) -> "Recipe":
        """Return the recipe with the path of its weights, a plain name, in this folder.

        Raises:
            RecipeError: as `check_weights_name`.
        """
        self.check_weights_name()
        return self if self.weights is None else replace(self, weights=str(folder / self.weights))

    def learning_rate_at(self, epoch: float) -> float:
        """Return the learning rate at a point in time, in epochs since the start.

        A step of `one_cycle` asks for its middle: step s of S in epoch e is at e + (s + 0.5) / S.
        It rises linearly from 0 to the highest rate and falls linearly to 0 at the end.
        """
        if self.schedule is Schedule.ONE_CYCLE and 0 <= epoch < self.epochs:
            peak, rise = max(self.learning_rates), self.warmup_fraction * self.epochs
            if epoch < rise:
                return peak * epoch / rise
            return peak * (self.epochs - epoch) / (self.epochs - rise)
        for epochs, rate in zip(self.epochs_per_stage, self.learning_rates, strict=True):
            if epoch < epochs:
                return rate
            epoch -= epochs
        raise IndexError("the epoch is beyond the recipe's last")

    def with_overrides(self, overrides: Mapping[str, object]) -> "Recipe":
        """Return the recipe with these fields replaced.

        Beside the fields, `epochs` scales the stages to that total, `epochs_cut` ends the schedule
        after that many, and `learning_rate` scales the rates to that highest one.

        Raises:
            RecipeError: an unknown field, or a value that is not allowed.
        """
        values = dict(overrides)
        epochs, cut, rate = (values.pop(name, None) for name in VIRTUAL_FIELDS)
        defaults = {f.name: f.default for f in fields(self)}
        unknown = sorted(set(values) - set(defaults))
        if unknown:
            known = ", ".join([*VIRTUAL_FIELDS, *defaults])
            raise RecipeError(f"A recipe has no field {', '.join(unknown)}; known are {known}.")
        recipe = replace(self, **{k: checked(k, v, defaults[k]) for k, v in values.items()})
        if epochs is not None:
            recipe = _scale_epochs(
                recipe, int(number_within("epochs", epochs, 1, 100_000, whole=True))
            )
        if cut is not None:
            recipe = _cut_epochs(
                recipe, int(number_within("epochs_cut", cut, 1, recipe.epochs, whole=True))
            )
        if rate is not None:
            rate = number_within("learning_rate", rate, LOWEST_PEAK, HIGHEST_RATE)
            factor = rate / max(recipe.learning_rates)
            recipe = replace(
                recipe, learning_rates=tuple(r * factor for r in recipe.learning_rates)
            )
        if len(recipe.epochs_per_stage) != len(recipe.learning_rates):
            raise RecipeError("epochs_per_stage and learning_rates must have the same length.")
        return recipe


NETWORK_FIELDS = ("dim", "word_ngrams", "buckets", "max_chars", "downsampling", "hidden")
VIRTUAL_FIELDS = ("epochs", "epochs_cut", "learning_rate")
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}")


def recipe_from_json(values: Mapping[str, Any]) -> Recipe:
    """Return the recipe that `Recipe.to_json` wrote; its values are checked again."""
    return Recipe((1,), (0.1,)).with_overrides(values)


def _cut_epochs(recipe: Recipe, epochs: int) -> Recipe:
    """Return the recipe cut after `epochs`, with its learning rates up to there."""
    if recipe.schedule is not Schedule.STEPS:
        raise RecipeError("Only a schedule of steps can be cut; override epochs instead.")
    kept, left = [], epochs
    for stage in recipe.epochs_per_stage:
        kept.append(min(stage, left))
        left -= kept[-1]
    n_stages = max(i for i, stage in enumerate(kept) if stage) + 1
    return replace(
        recipe,
        epochs_per_stage=tuple(kept[:n_stages]),
        learning_rates=recipe.learning_rates[:n_stages],
    )


def _scale_epochs(recipe: Recipe, epochs: int) -> Recipe:
    """Return the recipe with its stages scaled to `epochs` in all, by largest remainder."""
    total = recipe.epochs
    exact = [e * epochs / total for e in recipe.epochs_per_stage]
    scaled = [int(e) for e in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (scaled[i] - exact[i], -exact[i]))
    for stage in by_remainder[: epochs - sum(scaled)]:
        scaled[stage] += 1
    return replace(recipe, epochs_per_stage=tuple(scaled))
