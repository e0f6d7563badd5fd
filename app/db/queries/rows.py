"""Rows of a table as plain objects, changed in memory and written back together.

A request changes hundreds of rows. They come as one parameter, JSON that Postgres reads as rows;
the ORM's flush takes a parameter for each value of each row, and most of a request's time.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from functools import lru_cache
from itertools import compress
from operator import attrgetter
from typing import Any, Generic, TypeVar

import orjson
from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Table,
    Text,
    bindparam,
    cast,
    column,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import Delete, Insert, Update
from sqlalchemy.sql.selectable import TableValuedAlias

from app.db.tables import Base

Row = TypeVar("Row")
Values = tuple[Any, ...]


class Rows(Generic[Row]):
    """Some rows of a table, and the changes to them that must be written.

    Args:
        model: the table.
        kind: dataclass whose fields are columns of it; the first tell rows apart.
        n_key: how many those are.
        stored: the rows as they were read.
        only: a further condition on the stored rows; None: the key is enough.
    """

    def __init__(
        self,
        model: type[Base],
        kind: type[Row],
        n_key: int,
        stored: Iterable[Row],
        only: ColumnElement[bool] | None = None,
    ) -> None:
        self._table = table_of(model)
        self._names = names_of(kind)
        self._n_key = n_key
        self._only = only
        self._values_of: Callable[[Row], Values] = attrgetter(*self._names)
        self._stored = self._by_key(stored)

    def write(self, session: Session, rows: Iterable[Row]) -> None:
        """Make the table hold these rows, with at most one DELETE, UPDATE and INSERT."""
        stored, now = self._stored, self._by_key(rows)
        if gone := [key for key in stored if key not in now]:
            self._remove(session, gone)
        if changed := [(stored[k], v) for k, v in now.items() if k in stored and stored[k] != v]:
            self._update(session, changed)
        if new := [v for key, v in now.items() if key not in stored]:
            session.execute(_insert(self._table, self._names), as_json(self._names, new))
        self._stored = now

    def _update(self, session: Session, changed: Sequence[tuple[Values, Values]]) -> None:
        """Write only the columns that differ, so that indexes on other columns stay untouched."""
        is_written = [
            i < self._n_key or any(old[i] != new[i] for old, new in changed)
            for i in range(len(self._names))
        ]
        names = tuple(compress(self._names, is_written))
        rows = [tuple(compress(new, is_written)) for _, new in changed]
        statement = _update(self._table, names, self._n_key, self._only)
        session.execute(statement, as_json(names, rows))

    def _by_key(self, rows: Iterable[Row]) -> dict[Values, Values]:
        return {values[: self._n_key]: values for values in map(self._values_of, rows)}

    def _remove(self, session: Session, keys: Sequence[Values]) -> None:
        names = self._names[: self._n_key]
        session.execute(_delete(self._table, names), as_json(names, keys))


def table_of(model: type[Base]) -> Table:
    """Return the model's table."""
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101 - every mapped class has one
    return table


def names_of(kind: type[Any]) -> tuple[str, ...]:
    """Return the columns that a kind of row holds."""
    return tuple(field.name for field in fields(kind))


def is_one_of(column_: ColumnElement[int], name: str) -> ColumnElement[bool]:
    """Return the condition with one parameter, a list of ids; IN takes one for each."""
    return column_ == func.any(bindparam(name, type_=ARRAY(BigInteger)))


def as_json(names: Sequence[str], rows: Sequence[Values]) -> dict[str, str]:
    """Return the parameter of `from_json`."""
    return {"new_rows": orjson.dumps([dict(zip(names, r, strict=True)) for r in rows]).decode()}


def from_json(table: Table, names: Sequence[str]) -> TableValuedAlias:
    """Return the rows of `as_json`, with the types of the table's columns."""
    columns = [column(name, table.c[name].type) for name in names]
    given = cast(bindparam("new_rows", type_=Text), JSON)
    return (
        func.json_to_recordset(given).table_valued(*columns).render_derived("new", with_types=True)
    )


@lru_cache
def _insert(table: Table, names: tuple[str, ...]) -> Insert:
    return insert(table).from_select(names, select(*from_json(table, names).c))


@lru_cache
def _update(
    table: Table, names: tuple[str, ...], n_key: int, only: ColumnElement[bool] | None
) -> Update:
    new = from_json(table, names)
    is_same = [table.c[name] == new.c[name] for name in names[:n_key]]
    statement = update(table).where(*is_same, *([] if only is None else [only]))
    return statement.values({name: new.c[name] for name in names[n_key:]})


@lru_cache
def _delete(table: Table, key: tuple[str, ...]) -> Delete:
    new = from_json(table, key)
    return delete(table).where(*[table.c[name] == new.c[name] for name in key])
