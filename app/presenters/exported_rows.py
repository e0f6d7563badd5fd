"""Streams rows, read in pages, as JSON lines or CSV."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from sqlalchemy.orm import Session, sessionmaker

from app.db.session import transaction
from app.exports.cells import cell
from app.schemas.bodies import Response

Row = TypeVar("Row")
PAGE = 2000
ESCAPED_LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}
EXPORT_TYPES = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


def in_pages(
    factory: sessionmaker[Session],
    read_page: Callable[[Session, int, int], Sequence[Row]],
    place_of: Callable[[Row], int],
    after: int = -1,
) -> Iterator[Row]:
    """Yield rows in pages of short transactions, so that an export holds none open.

    Args:
        factory: of sessions.
        read_page: (session, place, limit) -> up to `limit` rows after the place, ascending.
        place_of: place of a row, from 0.
        after: the place to begin after.
    """
    while True:
        with transaction(factory) as session:
            page = read_page(session, after, PAGE)
        yield from page
        if len(page) < PAGE:
            return
        after = place_of(page[-1])


def as_jsonl(rows: Iterable[Response]) -> Iterator[str]:
    """Yield one JSON object per line, without characters that other programs take for line ends."""
    for row in rows:
        yield row.model_dump_json(by_alias=True).translate(ESCAPED_LINE_ENDS) + "\n"


def as_csv(rows: Iterable[Response], columns: Sequence[str]) -> Iterator[str]:
    """Yield the header, then one line per row; lists are JSON."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns)
    writer.writeheader()
    for row in rows:
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        values = row.model_dump(by_alias=True, mode="json")
        writer.writerow({name: cell(values[name]) for name in columns})
    yield buffer.getvalue()
