"""Prodigy's JSONL of text or image classification: choices, or one label accepted or rejected."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from app.imports.columns import Columns, RowReader
from app.imports.files import Entry, Files
from app.imports.found import Found, Options, Refused
from app.imports.json_objects import first_objects, json_entries, objects_of
from app.imports.merged import merged_all

ANSWERS = frozenset({"accept", "reject", "ignore"})
LEFT_OUT = ("options", "accept", "answer", "label", "_input_hash", "_task_hash", "_view_id",
            "_timestamp", "_session_id", "config", "spans", "tokens", "_is_binary",
            "html")  # fmt: skip


def recognises(files: Files) -> bool:
    """Return whether objects have an answer of Prodigy's."""
    objects = first_objects(files)
    return bool(objects) and all(
        row.get("answer") in ANSWERS and ("label" in row or "accept" in row) for row in objects
    )


def read(files: Files, options: Options) -> Iterator[Found]:
    """Yield the items, put together by their input's hash, in memory.

    A label that was rejected is no class: the item comes without one, and the answer is counted.
    """
    for entry in json_entries(files):
        yield from merged_all(_items(entry, files, options))


def _items(entry: Entry, files: Files, options: Options) -> Iterator[Found]:
    for row in objects_of(entry, options):
        if isinstance(row, Refused):
            yield row
            continue
        line, said = row
        content = "text" if "text" in said else "image"
        columns = Columns(
            {
                "external_id": ["_input_hash"],
                content: [content],
                "class": ["class"],
                "annotator": ["annotator"],
                "metadata": LEFT_OUT,
            }
        )
        found = RowReader(columns, files, entry).item(line, _plain(said))
        stays_out = said.get("answer") != "accept"
        yield found if isinstance(found, Refused) else replace(found, n_skips=int(stays_out))


def _plain(said: Mapping[str, Any]) -> dict[str, Any]:
    row = {key: value for key, value in said.items() if key not in ("_annotator_id", "meta")}
    meta = said.get("meta")
    row.update(meta if isinstance(meta, dict) else {})
    row["annotator"] = said.get("_annotator_id") or said.get("_session_id")
    if said.get("answer") == "accept":
        row["class"] = said["accept"] if "accept" in said else said.get("label")
    return row
