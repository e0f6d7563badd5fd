"""Dataclasses of settings that are stored as JSON: reading them back, checked anew."""

from collections.abc import Mapping
from dataclasses import fields
from numbers import Integral, Real
from typing import Any, TypeVar

Fields = TypeVar("Fields")


class SettingError(ValueError):
    """A value of a setting is unknown, of another type or not allowed; the message says what is."""


def from_json(kind: type[Fields], values: Mapping[str, Any]) -> Fields:
    """Return the dataclass `kind` of these JSON values; its own check runs.

    Raises:
        SettingError: a name is unknown, or its check refuses a value.
    """
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]  # a dataclass
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise SettingError(f"There is no {', '.join(unknown)}; known are {', '.join(known)}.")
    return kind(**values)


def check_number(name: str, value: object, low: float, high: float, *, whole: bool = False) -> None:
    """Check that a JSON value is a number within `low`..`high`.

    Raises:
        SettingError: it is not; names the field and the range.
    """
    is_number = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    if not is_number or not low <= float(value) <= high:  # type: ignore[arg-type]  # a number
        kind = "a whole number" if whole else "a number"
        raise SettingError(f"{name} must be {kind} in {low:g}..{high:g}, not {value!r}.")
