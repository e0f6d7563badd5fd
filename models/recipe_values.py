"""Choices and limits of a recipe's fields, and the check of values from outside."""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class RecipeError(ValueError):
    """A recipe's field is unknown or has a value that is not allowed; the message says which."""


class Schedule(StrEnum):
    """Schedule of the learning rate: constant in each stage, or up and down once, step by step."""

    STEPS = "steps"
    ONE_CYCLE = "one_cycle"


class Precision(StrEnum):
    """Precision of matrix products where the device supports it; weights stay float32."""

    FLOAT32 = "float32"
    BF16 = "bf16"
    FP16 = "fp16"


class Downsampling(StrEnum):
    """Ways in which VDCNN halves the length between its widths."""

    CONV = "conv"
    MAX_POOL = "max_pool"
    K_MAX_POOL = "k_max_pool"


LOWEST_PEAK, HIGHEST_RATE = 1e-8, 1e3
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
    "warmup_fraction": (0, 0.99),
    "cutout": (0, 256),
    "max_chars": (64, 100_000),
    "hidden": (0, 65_536),
    "crop_fraction": (0.1, 1),
    "threads": (1, 256),
}
CHOICES: Mapping[str, type[StrEnum]] = {
    "schedule": Schedule,
    "precision": Precision,
    "downsampling": Downsampling,
}
WEIGHTS_SUFFIXES = (".safetensors", ".pt", ".pth")


def number_within(
    name: str, value: object, low: float, high: float, *, whole: bool = False
) -> float:
    """Return the value if it is a number in low..high, and a whole one if it must be.

    Raises:
        RecipeError: it is not; the message begins with `name`.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RecipeError(f"{name} must be a number, not {value!r}.")
    if not low <= value <= high or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise RecipeError(f"{name} must be {kind} in {low}..{high}, not {value!r}.")
    return value


def checked(name: str, value: object, default: object) -> Any:
    """Return the value of a field, of the type that the recipe keeps it in.

    The field's default tells whether it holds a whole number or a boolean.

    Raises:
        RecipeError: it is not allowed; the message says what is.
    """
    if name in LIMITS:
        return _checked_number(name, value, default)
    if name in CHOICES:
        if not isinstance(value, str) or value not in list(CHOICES[name]):
            raise RecipeError(f"{name} must be {' or '.join(CHOICES[name])}, not {value!r}.")
        return CHOICES[name](value)
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise RecipeError(f"{name} must be true or false, not {value!r}.")
        return value
    if name == "weights":
        return _weights_file(value)
    return _checked_stages(name, value)


def _checked_number(name: str, value: object, default: object) -> float | None:
    if name == "image_size" and value is None:
        return None
    is_whole = isinstance(default, int) or name == "image_size"
    number = number_within(name, value, *LIMITS[name], whole=is_whole)
    return int(number) if is_whole else float(number)


def _checked_stages(name: str, value: object) -> tuple[float, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise RecipeError(f"{name} must be a list of numbers, not {value!r}.")
    if name == "epochs_per_stage":
        epochs = tuple(int(number_within(name, v, 0, 100_000, whole=True)) for v in value)
        number_within("The sum of epochs_per_stage", sum(epochs), 1, math.inf)
        return epochs
    rates = tuple(number_within(name, v, 0, HIGHEST_RATE) for v in value)
    number_within("The highest of learning_rates", max(rates), LOWEST_PEAK, HIGHEST_RATE)
    return rates


def _weights_file(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.endswith(WEIGHTS_SUFFIXES):
        kinds = ", ".join(WEIGHTS_SUFFIXES)
        raise RecipeError(f"weights must name a file that ends in {kinds}, not {value!r}.")
    return value
