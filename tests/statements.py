"""Counts the statements that the code under test sends to Postgres."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, event

from tests.loop import Factory


@contextmanager
def counted(factory: Factory) -> Iterator[list[str]]:
    """Yield the statements that are sent meanwhile; one that is sent for many rows counts each."""
    sent: list[str] = []

    def note(_c: Connection, _k: object, statement: str, rows: object, *_: object) -> None:
        sent.extend([statement] * (len(rows) if isinstance(rows, list) else 1))

    engine = factory.kw["bind"]
    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)
