"""CSV and TSV: any delimiter and encoding, quotes, either line end, with or without a header."""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from app.imports.columns import USUAL_NAMES, RowReader, find_columns
from app.imports.decoded import is_damaged, open_text
from app.imports.files import Entry, Files, split_in_name
from app.imports.found import FileRefused, Found, Options, Refused, Rows
from app.imports.merged import merged_neighbours

if TYPE_CHECKING:
    import _csv

SUFFIXES = (".csv", ".tsv", ".tab")
DELIMITERS = ",\t;|"
LOOKED_AT_ROWS = 20
MAX_CELL = 1 << 24  # characters
KNOWN = frozenset(name for names in USUAL_NAMES.values() for name in names)


def recognises(files: Files) -> bool:
    """Return whether these are tables by their names; images may lie beside them."""
    return bool(files.ending(*SUFFIXES))


def read(files: Files, options: Options) -> Iterator[Found]:
    """Yield the items of each table."""
    for entry in files.ending(*SUFFIXES) or files.others:
        yield from merged_neighbours(_items(entry, files, options))


def _items(entry: Entry, files: Files, options: Options) -> Iterator[Found]:
    rows = Table(entry, options)
    columns = find_columns(rows.names, options, where=entry.name, is_guessed=rows.has_header)
    reader = RowReader(columns, files, entry, split_in_name(entry))
    for row in rows:
        yield row if isinstance(row, Refused) else reader.item(*row)


class Table:
    """The rows of one table.

    Attributes:
        names: of the columns; numbers from 1 where the table has no header.
        has_header: whether its first row names the columns.
    """

    def __init__(self, entry: Entry, options: Options) -> None:
        """Look at the first rows.

        Raises:
            FileRefused: there are none, or they cannot be read.
        """
        self._entry, self._options = entry, options
        csv.field_size_limit(MAX_CELL)
        self._delimiter = options.delimiter or _delimiter(entry, options)
        with open_text(entry, options.encoding) as file:
            first = next((row for row in self._reader(file) if row), None)
        if first is None:
            raise FileRefused(f"{entry.name} is empty.")
        cells = [cell.strip() for cell in first]
        self.has_header = _is_header(cells, options)
        self.names: Sequence[str] = (
            cells if self.has_header else [str(i) for i in range(1, len(cells) + 1)]
        )

    def __iter__(self) -> Rows:
        """Yield (line that the row begins in, value by column), or why a row has none."""
        with open_text(self._entry, self._options.encoding) as file:
            reader = self._reader(file)
            line = 1
            is_header = self.has_header
            while True:
                try:
                    row = next(reader)
                except StopIteration:
                    return
                except (csv.Error, UnicodeError) as error:
                    yield Refused(line, f"The table cannot be read from here on: {error}.")
                    return
                if row and not is_header:
                    yield self._row(line, row, n_lines=reader.line_num - line + 1)
                is_header = is_header and not row
                line = reader.line_num + 1

    def _row(self, line: int, row: list[str], n_lines: int) -> Refused | tuple[int, dict[str, str]]:
        if len(row) != len(self.names):
            quote = " A quote that opens there may never close." if n_lines > 1 else ""
            return Refused(
                line,
                f"It has {len(row)} cells, the table {len(self.names)} columns; put cells that "
                f"hold the delimiter {self._delimiter!r} between quotes.{quote}",
            )
        if any(is_damaged(cell) for cell in row):
            return Refused(line, "It is not UTF-8; save the file as UTF-8, or name its encoding.")
        return line, dict(zip(self.names, row, strict=True))

    def _reader(self, file: Iterator[str]) -> "_csv.Reader":
        return csv.reader(file, delimiter=self._delimiter)


def _is_header(cells: Sequence[str], options: Options) -> bool:
    """Return whether a first row names the columns: one by a usual name, none by a number."""
    if any(cell in options.columns for cell in cells):
        return not set(options.columns) <= {str(i) for i in range(1, len(cells) + 1)}
    are_names = len(set(cells)) == len(cells) and not any(cell.isdecimal() for cell in cells)
    return are_names and any(cell.lower() in KNOWN for cell in cells)


def _delimiter(entry: Entry, options: Options) -> str:
    """Return the delimiter that cuts the first rows into the most columns, as many in each."""
    best, most = ",", 1
    for delimiter in DELIMITERS:
        with open_text(entry, options.encoding) as file:
            try:
                rows = list(islice(csv.reader(file, delimiter=delimiter), LOOKED_AT_ROWS))
            except (csv.Error, UnicodeError):
                continue
        widths = {len(row) for row in rows if row}
        n_columns = len(rows[0]) if rows else 0
        is_steady = len(widths) == 1 or (n_columns > 1 and _share(rows, n_columns) >= 0.8)
        if is_steady and n_columns > most:
            best, most = delimiter, n_columns
    return best


def _share(rows: Sequence[Sequence[str]], n_columns: int) -> float:
    return sum(len(row) == n_columns for row in rows) / len(rows)
