"""Metadata of items, which users give beside the content: shown to admins and exported only.

Own keys of an imported line are metadata; a key that looks like a field's name is a mistake.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import orjson

from app.domain.errors import ItemInvalid
from app.domain.json_text import find_unstorable, is_storable

MAX_BYTES = 64 * 1024
FIELDS = ("external_id", "text", "image_uri", "split", "class", "metadata")
MEANT = {"label": "class", "labels": "class", "image": "image_uri", "url": "image_uri",
         "file_name": "image_uri", "subset": "split"}  # fmt: skip
SIMILARITY = 0.8


def meant_field(key: str) -> str | None:
    """Return the field that a key was probably meant to be, or None: it is a name of the user's."""
    lower = key.strip().lower().replace("-", "_").replace(" ", "_")
    close = get_close_matches(lower, FIELDS, n=1, cutoff=SIMILARITY)
    return close[0] if close else MEANT.get(lower)


def checked_metadata(metadata: Mapping[str, Any] | None) -> str | None:
    """Return the metadata as JSON; None: there is none.

    Raises:
        ItemInvalid: it cannot be stored, or is too large.
    """
    if not metadata:
        return None
    try:
        text = orjson.dumps(metadata)
    except TypeError as error:
        raise ItemInvalid("metadata_invalid", f"The metadata cannot be stored: {error}.") from None
    if b"\\u0000" in text:
        place = find_unstorable(dict(metadata))
        if place is not None or not all(map(is_storable, metadata)):
            raise ItemInvalid("metadata_invalid", "The metadata holds a NUL character; remove it.")
    if len(text) > MAX_BYTES:
        raise ItemInvalid(
            "metadata_too_large",
            f"The metadata has {len(text)} bytes; at most {MAX_BYTES} are taken. Leave out what "
            "belongs elsewhere.",
        )
    return text.decode()
