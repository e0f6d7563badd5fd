"""Rows of any table that stands beside images: CSV, JSON or Parquet."""

from app.imports.csv_rows import SUFFIXES as CSV_SUFFIXES
from app.imports.csv_rows import Table
from app.imports.files import Entry
from app.imports.found import FileRefused, Options, Rows
from app.imports.json_objects import SUFFIXES as JSON_SUFFIXES
from app.imports.json_objects import objects_of
from app.imports.parquet import parquet_rows

SUFFIXES = (*CSV_SUFFIXES, *JSON_SUFFIXES, ".parquet")


def rows_of(entry: Entry, options: Options) -> Rows:
    """Return the rows of a table by its suffix.

    Raises:
        FileRefused: it is no table.
    """
    if entry.suffix in CSV_SUFFIXES:
        return iter(Table(entry, options))
    if entry.suffix in JSON_SUFFIXES:
        return objects_of(entry, options)
    if entry.suffix == ".parquet":
        return parquet_rows(entry)
    raise FileRefused(f"{entry.name} is no table; give one that ends in {', '.join(SUFFIXES)}.")
