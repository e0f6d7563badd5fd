"""Streams of rows as JSON lines or CSV."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from app.schemas.common import Response

EXPORT_TYPES = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


def as_jsonl(rows: Iterable[Response]) -> Iterator[str]:
    """Yield one JSON object a line."""
    for row in rows:
        yield row.model_dump_json(by_alias=True) + "\n"


def as_csv(rows: Iterable[Response], columns: Sequence[str]) -> Iterator[str]:
    """Yield the header, then one line a row."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns)
    writer.writeheader()
    for row in rows:
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        writer.writerow(row.model_dump(by_alias=True, mode="json"))
    yield buffer.getvalue()
