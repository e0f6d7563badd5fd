"""Parquet, also of Hugging Face: images as {bytes, path}, class names in the schema's metadata."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from app.imports.columns import RowReader, find_columns
from app.imports.files import Entry, Files, split_in_name
from app.imports.found import FileRefused, Found, Options, Refused, Rows

if TYPE_CHECKING:
    import pyarrow.parquet

SUFFIX = ".parquet"
BATCH_ROWS = 1000
MAGIC = b"PAR1"


def recognises(files: Files) -> bool:
    """Return whether these are Parquet files by their names or first bytes."""
    return bool(_entries(files))


def read(files: Files, options: Options) -> Iterator[Found]:
    """Yield the items of each file."""
    for entry in _entries(files) or files.others:
        yield from _items(entry, files, options)


def parquet_rows(entry: Entry) -> Rows:
    """Yield (number, value by column) of a file.

    Raises:
        FileRefused: it is damaged.
    """
    number = 0
    try:
        with _opened(entry) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (OSError, ValueError) as error:
        raise FileRefused(f"{entry.name} is damaged after row {number}: {error}.") from None


def _items(entry: Entry, files: Files, options: Options) -> Iterator[Found]:
    with _opened(entry) as file:
        schema = file.schema_arrow
    columns = find_columns(schema.names, options, where=entry.name)
    names = _class_names(schema.metadata or {}, columns.one("class"))
    columns = type(columns)(columns.by_field, names)
    reader = RowReader(columns, files, entry, split_in_name(entry))
    for row in parquet_rows(entry):
        yield row if isinstance(row, Refused) else reader.item(*row)


def _entries(files: Files) -> list[Entry]:
    found = files.ending(SUFFIX)
    if not found and len(files.others) == 1 and files.others[0].head().startswith(MAGIC):
        return files.others
    return found


@contextmanager
def _opened(entry: Entry) -> "Iterator[pyarrow.parquet.ParquetFile]":
    """Yield the open file.

    Raises:
        FileRefused: it is damaged, or pyarrow is missing.
    """
    try:
        import pyarrow.parquet  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise FileRefused(
            "Parquet needs pyarrow; install it with pip install 'svp-labeling[parquet]'."
        ) from None
    with entry.open() as file:
        try:
            opened = pyarrow.parquet.ParquetFile(file)
        except (OSError, ValueError) as error:
            raise FileRefused(f"{entry.name} is no Parquet file, or damaged: {error}.") from None
        with opened:
            yield opened


def _class_names(metadata: dict[bytes, bytes], column: str | None) -> list[str]:
    """Return the names of a column's classes, as Hugging Face's `datasets` writes them."""
    try:
        about: Any = json.loads(metadata.get(b"huggingface", b"{}"))
        feature = about["info"]["features"][column]
    except (ValueError, KeyError, TypeError):
        return []
    names = feature.get("names") if isinstance(feature, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []
