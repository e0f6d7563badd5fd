"""Label Studio's JSON: a task an item, with the choices of its annotators."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from app.exports.labeled import LabeledItem

QUESTION = "class"


def write(items: Iterable[LabeledItem], *, is_continued: bool = False) -> Iterator[bytes]:
    """Yield one array of tasks.

    An annotation names nobody: Label Studio refuses people whom it does not know. The resolved
    class stands in the data, for the data manager. `is_continued` says that tasks were written
    before.
    """
    if not is_continued:
        yield b"["
    for number, item in enumerate(items):
        yield (b",\n" if number or is_continued else b"\n") + orjson.dumps(_task(item))
    yield b"\n]\n"


def _task(item: LabeledItem) -> dict[str, Any]:
    kind = "text" if item.text is not None else "image"
    content = item.text if item.text is not None else item.values.get("image_uri")
    classes = list(item.given.values()) or [item.class_name]
    return {
        "data": {
            **item.metadata,
            "external_id": item.external_id,
            kind: content or item.external_id,
            "resolved_class": item.class_name,
        },
        "annotations": [
            {
                "was_cancelled": False,
                "result": [
                    {
                        "from_name": QUESTION,
                        "to_name": kind,
                        "type": "choices",
                        "value": {"choices": [name]},
                    }
                ],
            }
            for name in classes
        ],
    }
