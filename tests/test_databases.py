"""Every test gets a database as if it were the first, whatever earlier tests did."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.conftest import TEMPLATE
from tests.databases import Database, Databases

ADD_ANNOTATOR = "INSERT INTO annotators (name) VALUES ('ada') RETURNING id"


@pytest.fixture
def own(postgres_url: str) -> Iterator[Databases]:
    databases = Databases(postgres_url, f"{TEMPLATE}_of_this_test")
    yield databases
    databases.close()


def run(database: Database, statement: str) -> int:
    with psycopg.connect(database.url) as connection:
        found = connection.execute(statement)
        row = found.fetchone() if found.description else None
        return 0 if row is None else int(row[0])


class TestGiveBack:
    def test_rows_go_and_numbers_begin_again(self, own: Databases) -> None:
        first = own.take()
        assert run(first, ADD_ANNOTATOR) == 1
        own.give_back(first)
        second = own.take()
        assert second == first
        assert run(second, "SELECT count(*) FROM annotators") == 0
        assert run(second, ADD_ANNOTATOR) == 1
        own.give_back(second)

    def test_large_tables_leave_no_dead_rows(self, own: Databases) -> None:
        database = own.take()
        run(
            database,
            "INSERT INTO annotators (name) SELECT 'a' || i FROM generate_series(1, 9999) i",
        )
        own.give_back(database)
        assert own.take() == database
        assert run(database, "SELECT pg_relation_size('annotators')") == 0
        own.give_back(database)

    @pytest.mark.parametrize(
        "change",
        [
            "CREATE TABLE more (n int)",
            "ALTER TABLE items ADD COLUMN more int",
            "ALTER TABLE items ALTER COLUMN text SET DEFAULT 'x'",
            "ALTER TABLE items ADD CONSTRAINT no CHECK (text <> 'x')",
            "ALTER TABLE items DISABLE TRIGGER ALL",
            "DROP INDEX uq_labels_standing",
            "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE SCHEMA more",
            "UPDATE alembic_version SET version_num = 'x'",
        ],
    )
    def test_changed_schema_or_revision_is_seen_by_no_other_test(
        self, own: Databases, change: str
    ) -> None:
        database = own.take()
        run(database, change)
        own.give_back(database)
        assert own.take() != database

    def test_who_stays_connected_writes_to_no_other_test(
        self, own: Databases, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tests.databases.CONNECTIONS_END_SECONDS", 0.1)
        database = own.take()
        with psycopg.connect(database.url):
            own.give_back(database)
        assert own.take() != database
