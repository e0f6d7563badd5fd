"""CSV: a row an item, as pandas reads it; on request a column an annotator."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from app.exports.cells import cell
from app.exports.labeled import LabeledItem

BLOCK = 1 << 16


def write(
    items: Iterable[LabeledItem],
    columns: Sequence[str],
    annotators: Sequence[str] = (),
    *,
    is_raw: bool = False,
    is_continued: bool = False,
) -> Iterator[bytes]:
    """Yield the header and a row an item.

    Args:
        items: to write.
        columns: of `values`.
        annotators: each gets a column `label:NAME`.
        is_raw: whether formulas stay formulas.
        is_continued: whether the header was written before.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    header = [*columns, *(f"label:{name}" for name in annotators)]
    if not is_continued:
        writer.writerow([cell(name, is_raw=is_raw) for name in header])
    for item in items:
        row = [*(item.values[name] for name in columns), *map(item.given.get, annotators)]
        writer.writerow([cell(value, is_raw=is_raw) for value in row])
        if buffer.tell() > BLOCK:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()
