"""doccano's JSONL of text or image classification; in an archive, a file an annotator."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.imports.columns import RowReader, class_names_of, find_columns
from app.imports.files import Entry, Files
from app.imports.found import Found, Options, Refused
from app.imports.json_objects import columns_of, first_objects, json_entries, objects_of
from app.imports.merged import merged_all

SHARED = frozenset({"all", "unknown", "train", "test", "data", "export"})  # names of no annotator


def recognises(files: Files) -> bool:
    """Return whether objects have a text and a list of labels, or doccano's comments."""
    objects = first_objects(files)
    return bool(objects) and all(
        ("text" in row or "filename" in row) and isinstance(row.get("label"), list)
        for row in objects
    )


def read(files: Files, options: Options) -> Iterator[Found]:
    """Yield the items; those of several files are put together, in memory."""
    entries = json_entries(files)
    if len(entries) == 1:
        yield from _items(entries[0], files, options, None)
        return
    yield from merged_all(
        item for entry in entries for item in _items(entry, files, options, _annotator(entry))
    )


def _annotator(entry: Entry) -> str | None:
    return None if entry.stem.lower() in SHARED else entry.stem


def _items(entry: Entry, files: Files, options: Options, annotator: str | None) -> Iterator[Found]:
    reader: RowReader | None = None
    for row in objects_of(entry, options):
        if isinstance(row, Refused):
            yield row
            continue
        line, said = row
        if reader is None:
            columns = find_columns(
                columns_of([said, {"annotator": None}]), options, where=entry.name
            )
            reader = RowReader(columns, files, entry)
        yield reader.item(line, _plain(said, annotator))


def _plain(said: Mapping[str, Any], annotator: str | None) -> dict[str, Any]:
    """Return a row of a class and its annotator; spans of a sequence are no class."""
    label = said.get("label")
    spans = isinstance(label, list) and any(isinstance(part, list | dict) for part in label)
    row = {key: value for key, value in said.items() if key != "Comments"}
    row["label"] = [] if spans else class_names_of(label)
    if annotator is not None:
        row["annotator"] = annotator
    return row
