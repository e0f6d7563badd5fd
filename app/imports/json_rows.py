"""JSON Lines, and JSON as one array: an object an item, also as this service imports them."""

from collections.abc import Iterator
from itertools import chain, islice

from app.imports.columns import RowReader, find_columns
from app.imports.files import Entry, Files, split_in_name
from app.imports.found import Found, Options, Refused
from app.imports.json_objects import LOOKED_AT, columns_of, json_entries, objects_of
from app.imports.merged import merged_neighbours


def recognises(files: Files) -> bool:
    """Return whether these are JSON files."""
    return bool(json_entries(files))


def read(files: Files, options: Options) -> Iterator[Found]:
    """Yield the items of each file."""
    for entry in json_entries(files) or files.others:
        yield from merged_neighbours(_items(entry, files, options))


def _items(entry: Entry, files: Files, options: Options) -> Iterator[Found]:
    rows = objects_of(entry, options)
    first = list(islice(rows, LOOKED_AT))
    names = columns_of(row[1] for row in first if not isinstance(row, Refused))
    if not names:
        yield from (row for row in first if isinstance(row, Refused))
        return
    columns = find_columns(names, options, where=entry.name)
    reader = RowReader(columns, files, entry, split_in_name(entry))
    for row in chain(first, rows):
        yield row if isinstance(row, Refused) else reader.item(*row)
