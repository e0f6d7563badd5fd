"""Settings that users send and the database keeps as JSON: one way to read and check all of them.

A setting's dataclass carries its bounds and its description in the metadata of its fields, as
pydantic names them (ge, gt, le, lt, max_length, description). Requests that hold the dataclass, and
OpenAPI, follow the same metadata. Rules between its fields stand in its `check_rules`.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cache, lru_cache
from typing import Any, TypeVar

from pydantic import ConfigDict, ValidationError, create_model
from pydantic_core import ErrorDetails

Fields = TypeVar("Fields")
MAX_SHOWN = 100
SHOULD = "Input should "


class SettingError(ValueError):
    """A setting's value is unknown, of the wrong type or not allowed; the message says what is."""


def from_json(kind: type[Fields], values: Mapping[str, Any]) -> Fields:
    """Return the dataclass `kind` of these JSON values, checked; missing ones have their defaults.

    Raises:
        SettingError: a name is unknown or a value not allowed; names the field and the rule.
    """
    asked: Any = kind  # hashable, as every class is
    found: Fields = _read(asked, json.dumps({"values": dict(values)}))
    return found


@lru_cache(maxsize=1024)
def _read(kind: Any, text: str) -> Any:
    """Return the dataclass, which is frozen: requests read the same stored settings again."""
    try:
        found = _reader_of(kind).model_validate_json(text, strict=True).values
        if hasattr(found, "check_rules"):
            found.check_rules()
    except ValidationError as error:
        faults = " ".join(_sentence(kind, fault) for fault in error.errors())
        raise SettingError(faults) from None
    except ValueError as error:
        raise SettingError(str(error)) from None
    return found


@cache
def _reader_of(kind: Any) -> Any:
    return create_model(kind.__name__, __config__=ConfigDict(extra="forbid"), values=(kind, ...))


def _sentence(kind: type[Any], fault: ErrorDetails) -> str:
    """Return what is wrong with a value, and which values or names are allowed."""
    name = ".".join(str(part) for part in fault["loc"][1:])
    rule = fault["msg"].removeprefix("Value error, ").rstrip(".")
    if fault["type"] == "unexpected_keyword_argument":
        known = "" if "." in name else f"; known are {', '.join(f.name for f in fields(kind))}"
        return f"There is no {name}{known}."
    if fault["type"] == "missing":
        return f"{name} is missing."
    if not rule.startswith(SHOULD):
        return f"{name}: {rule}."
    return f"{name} must {rule.removeprefix(SHOULD)}, not {repr(fault['input'])[:MAX_SHOWN]}."
