"""Migrates a database to this program's schema, or says why it cannot be used."""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from app.domain.errors import DatabaseNotUsable

OLDEST_POSTGRES = 14
MIGRATION_LOCK = 0x5_7670  # "svp": one program at a time migrates a database


def alembic_config(connection: Connection) -> Config:
    """Return Alembic's configuration for one connection; needs no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    config.attributes["connection"] = connection
    return config


def migrate(engine: Engine) -> str:
    """Bring the database to the newest revision, in one transaction; return that revision.

    Raises:
        DatabaseNotUsable: the database cannot be reached, its server is older than Postgres 14,
            it was written by a newer version of this program, or a migration failed; in each case
            nothing was changed.
    """
    try:
        with engine.begin() as connection:
            for name in ("lock_timeout", "statement_timeout"):  # a migration may take long
                connection.execute(text(f"SET LOCAL {name} = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            return _upgrade(connection)
    except OperationalError as error:
        raise DatabaseNotUsable(
            f"The database {engine.url.render_as_string()} cannot be reached: {error.orig}. "
            "Check SVP_DATABASE_URL and that the server runs."
        ) from error
    except SQLAlchemyError as error:
        raise DatabaseNotUsable(
            f"A migration failed and was rolled back; the data is as before: {error}. "
            "Go back to the version of svp that last used this database and report this."
        ) from error


def check_current(engine: Engine) -> None:
    """Check that the database is at this program's revision.

    Raises:
        DatabaseNotUsable: it is not, or cannot be reached.
    """
    try:
        with engine.connect() as connection:
            scripts = ScriptDirectory.from_config(alembic_config(connection))
            heads = MigrationContext.configure(connection).get_current_heads()
    except OperationalError as error:
        raise DatabaseNotUsable(f"The database cannot be reached: {error.orig}.") from error
    if set(heads) != set(scripts.get_heads()):
        raise DatabaseNotUsable(
            f"The database is at revision {', '.join(heads) or 'none'}, this program needs "
            f"{', '.join(scripts.get_heads())}; run `svp migrate` with this version of svp."
        )


def _upgrade(connection: Connection) -> str:
    version = int(connection.scalar(text("SHOW server_version_num")) or 0) // 10_000
    if version < OLDEST_POSTGRES:
        raise DatabaseNotUsable(
            f"The server is Postgres {version}; svp needs {OLDEST_POSTGRES} or newer. "
            "Upgrade it or point SVP_DATABASE_URL at another server."
        )
    config = alembic_config(connection)
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    unknown = set(MigrationContext.configure(connection).get_current_heads()) - known
    if unknown:
        raise DatabaseNotUsable(
            f"The database is at revision {', '.join(sorted(unknown))}, which this version of svp "
            "does not know: a newer version has used it. Install that version or newer, or point "
            "SVP_DATABASE_URL (or SVP_DATA_FOLDER) at another database."
        )
    command.upgrade(config, "head")
    return str(scripts.get_current_head())
