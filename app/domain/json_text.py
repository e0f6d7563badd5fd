"""Finds texts inside JSON values that Postgres cannot store."""

from typing import Any


def is_storable(text: str) -> bool:
    """Return whether Postgres stores the text: no NUL character, no half of a surrogate pair."""
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def find_unstorable(value: Any) -> str | None:
    """Return where in a parsed JSON value an unstorable text stands, as `.key[3]`; None: nowhere.

    Recursive: the parser bounds the depth.
    """
    if isinstance(value, str):
        return None if is_storable(value) else ""
    if isinstance(value, list):
        for i, part in enumerate(value):
            place = find_unstorable(part)
            if place is not None:
                return f"[{i}]{place}"
    if isinstance(value, dict):
        for key, part in value.items():
            if not is_storable(key):
                return ""
            place = find_unstorable(part)
            if place is not None:
                return f".{key[:100]}{place}"
    return None
