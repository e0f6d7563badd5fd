"""Migrations go up and down, and stop a service that is older than its database."""

import pytest
from sqlalchemy import Engine, text

from app.db.migrate import alembic_config, migrate
from app.domain.errors import DatabaseNotUsable
from svp_client import Client


class TestMigrations:
    def test_up_down_up_leaves_no_difference(self, engine: Engine) -> None:
        from alembic import command  # noqa: PLC0415

        with engine.begin() as connection:
            config = alembic_config(connection)
            command.downgrade(config, "base")
            command.upgrade(config, "head")
            command.check(config)

    def test_tokens_of_before_go_on_for_any_number_of_annotators(self, engine: Engine) -> None:
        from alembic import command  # noqa: PLC0415

        insert = text(
            "INSERT INTO tokens (token_hash, annotator_id, role, act_as) "
            "SELECT name::bytea, id, 'annotator', name = 'tool' FROM annotators"
        )
        with engine.begin() as connection:
            config = alembic_config(connection)
            command.downgrade(config, "0013")
            connection.execute(text("INSERT INTO annotators (name) VALUES ('tool'), ('ada')"))
            connection.execute(insert)
            command.upgrade(config, "head")
            found = text("SELECT act_as, max_annotators FROM tokens ORDER BY act_as")
            assert connection.execute(found).all() == [(False, 50), (True, 1_000_000)]

    def test_database_of_a_newer_version_stops_the_start(self, engine: Engine) -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(DatabaseNotUsable, match="newer version has used it"):
            migrate(engine)

    def test_failed_migration_changes_nothing_and_says_so(self, engine: Engine) -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
            connection.execute(text("DELETE FROM alembic_version"))
        with pytest.raises(DatabaseNotUsable, match="rolled back"):
            migrate(engine)

    def test_events_are_append_only(self, engine: Engine, admin: Client, text_project: int) -> None:
        admin.start(text_project)
        with engine.begin() as connection, pytest.raises(Exception, match="append-only"):
            connection.execute(text("UPDATE events SET name = 'x'"))
