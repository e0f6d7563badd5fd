"""WebDataset: a tar whose files of one name, up to the first dot, are one item."""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any

from app.imports.columns import USUAL_NAMES, class_names_of, metadata_of
from app.imports.files import Entry, Files, split_in_name
from app.imports.found import Found, FoundItem, GivenClass, Options, Refused

ABOUT = ("cls", "txt", "json")


def recognises(files: Files) -> bool:
    """Return whether it is a tar in which a file of a class, text or JSON has an image's name."""
    if not files.is_tar:
        return False
    described = {_key(entry) for entry in files.others if _part(entry) in ABOUT}
    images = {_key(entry) for entry in files.images}
    has_texts = any(_part(entry) == "cls" for entry in files.others)
    return bool(described & images) or (not images and has_texts)


def read(files: Files, options: Options) -> Iterator[Found]:
    """Yield an item a name."""
    groups = groupby(sorted(files.entries, key=_key), _key)
    for line, (key, entries) in enumerate(groups, start=1):
        yield _item(line, key, {_part(entry): entry for entry in entries}, options)


def _item(line: int, key: str, parts: dict[str, Entry], options: Options) -> FoundItem | Refused:
    image = next((entry for entry in parts.values() if entry.is_image), None)
    about = _about(parts.get("json"))
    if about is None:
        return Refused(line, f"{key}.json is no JSON object; correct it.", key)
    text = _text(parts.get("txt"))
    class_column = next((c for c, field in options.columns.items() if field == "class"), None)
    names = _classes(parts, about, text, class_column)
    if len(names) > 1:
        return Refused(line, f"It has {len(names)} classes; an item has one.", key)
    if image is None and not text:
        return Refused(line, f"{key} has neither an image nor a text.", key)
    metadata = metadata_of(about, USUAL_NAMES["class"])
    if image is not None and text and class_column != "txt":
        metadata["text"] = text
    content: dict[str, Any] = {"image": image.read} if image is not None else {"text": text}
    labels = tuple(GivenClass(name) for name in names)
    split = split_in_name(next(iter(parts.values())))
    return FoundItem(line, key, labels=labels, split=split, metadata=metadata, **content)


def _classes(
    parts: dict[str, Entry], about: dict[str, Any], text: str | None, column: str | None
) -> list[str]:
    if column is not None and column in about:
        return class_names_of(about[column])
    if column == "txt":
        return class_names_of(text)
    if "cls" in parts:
        return class_names_of(_text(parts["cls"]))
    return next((class_names_of(about[name]) for name in USUAL_NAMES["class"] if name in about), [])


def _about(entry: Entry | None) -> dict[str, Any] | None:
    try:
        value = json.loads(entry.read()) if entry else {}
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _text(entry: Entry | None) -> str | None:
    return entry.read().decode("utf-8", "replace").strip() if entry else None


def _key(entry: Entry) -> str:
    path = PurePosixPath(entry.name)
    return str(path.with_name(path.name.partition(".")[0]))


def _part(entry: Entry) -> str:
    return PurePosixPath(entry.name).name.partition(".")[2].lower()
