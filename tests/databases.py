"""Databases for tests: each gets a migrated, empty one, which is emptied for the next test."""

import uuid
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

from app.db.migrate import migrate
from app.db.session import make_engine
from tests.support import wait_for

CONNECTIONS_END_SECONDS = 2.0
LARGE_TABLE_BYTES = 1 << 17  # above it TRUNCATE is quicker than DELETE, and leaves no dead rows
LARGE_DATABASE_BYTES = 1 << 26

TABLES = """
    SELECT relname, pg_relation_size(oid) > %(large)s FROM pg_class
    WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
    AND relname <> 'alembic_version'
"""
RESTART_NUMBERS = """
    SELECT setval(oid::regclass, 1, false) FROM pg_class
    WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace
"""
# Changes with every table, column, constraint, index, trigger and function that is made, changed
# or dropped; not with rows.
SCHEMA = """
    WITH ours AS (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace),
    parts(part) AS (
        SELECT 'class ' || oid FROM ours
        UNION ALL SELECT 'column ' || attrelid || ' ' || attnum || ' ' || xmin
            FROM pg_attribute WHERE attrelid IN (SELECT oid FROM ours)
        UNION ALL SELECT 'constraint ' || oid || ' ' || xmin FROM pg_constraint
        UNION ALL SELECT 'trigger ' || oid || ' ' || xmin FROM pg_trigger
        UNION ALL SELECT 'function ' || oid || ' ' || xmin FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'schema ' || oid FROM pg_namespace WHERE nspname !~ '^pg_'
    )
    SELECT md5(string_agg(part, ',' ORDER BY part)) FROM parts
"""
REVISION = "SELECT string_agg(version_num, ',') FROM alembic_version"
SIZE = "SELECT pg_database_size(current_database())::text"


@dataclass(frozen=True)
class Database:
    """A migrated database.

    Attributes:
        schema: a digest of its tables, columns, constraints, triggers and functions.
        revision: the newest migration that it knows of.
    """

    name: str
    url: str
    schema: str
    revision: str


class Databases:
    """The databases of one server, copied from a template.

    To copy one takes a tenth of a second and more with every copy; to empty one a hundredth.
    """

    def __init__(self, server_url: str, template: str) -> None:
        """Make the template; the user of `server_url` must be a superuser."""
        self._server_url, self._template = server_url, template
        self._admin = psycopg.connect(server_url, autocommit=True)
        self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", template)
        self._run("CREATE DATABASE {}", template)
        engine = make_engine(with_database(server_url, template))
        migrate(engine)
        engine.dispose()
        self._spare: Database | None = None

    def take(self) -> Database:
        """Return a migrated database without rows, whose numbers begin at 1."""
        found, self._spare = self._spare, None
        return found or self._copy()

    def give_back(self, database: Database) -> None:
        """Keep it for the next test, emptied; drop it if the test has done more than write rows."""
        if self._is_left(database) and _empty(database):
            self._spare = database
        else:
            self._drop(database)

    def close(self) -> None:
        """Drop what is left."""
        if self._spare is not None:
            self._drop(self._spare)
        self._admin.close()

    def _copy(self) -> Database:
        name = f"svp_{uuid.uuid4().hex[:12]}"
        self._run("CREATE DATABASE {} TEMPLATE {}", name, self._template)
        url = with_database(self._server_url, name)
        with psycopg.connect(url) as connection:
            return Database(name, url, _text(connection, SCHEMA), _text(connection, REVISION))

    def _drop(self, database: Database) -> None:
        self._run("DROP DATABASE {} WITH (FORCE)", database.name)

    def _is_left(self, database: Database) -> bool:
        """Return whether nobody is connected any more; who still is could write to the next."""
        try:
            wait_for(lambda: not self._n_connections(database), CONNECTIONS_END_SECONDS)
        except AssertionError:
            return False
        return True

    def _n_connections(self, database: Database) -> int:
        found = self._admin.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [database.name]
        ).fetchone()
        assert found is not None
        return int(found[0])

    def _run(self, statement: str, *names: str) -> None:
        self._admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def with_database(url: str, name: str) -> str:
    """Return the server's URL with another database name."""
    head, _, query = url.partition("?")
    base = head.rsplit("/", 1)[0]
    return f"{base}/{name}" + (f"?{query}" if query else "")


def _empty(database: Database) -> bool:
    """Delete every row; return False if the schema has changed or the files have grown large."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        if (
            _text(connection, SCHEMA) != database.schema
            or _text(connection, REVISION) != database.revision
            or int(_text(connection, SIZE)) > LARGE_DATABASE_BYTES
        ):
            return False
        connection.execute("SET session_replication_role = replica")  # in any order, no triggers
        statements: list[sql.Composable] = [sql.SQL(RESTART_NUMBERS)]
        for table, is_large in connection.execute(TABLES, {"large": LARGE_TABLE_BYTES}).fetchall():
            how = "TRUNCATE {} CASCADE" if is_large else "DELETE FROM {}"
            statements.append(sql.SQL(how).format(sql.Identifier(table)))
        connection.execute(sql.SQL(";").join(statements))
    return True


def _text(connection: psycopg.Connection[tuple[str]], query: LiteralString) -> str:
    found = connection.execute(query).fetchone()
    assert found is not None
    return found[0]
