"""Finds the database that a command works on: the configured one, or that of `svp up`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.config import Settings, read_settings

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker


def database_url(settings: Settings) -> str:
    """Return the database's URL.

    Raises:
        ValueError: none is set and no `svp up` runs on the data folder.
    """
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    from app.db.embedded import EmbeddedPostgres  # noqa: PLC0415

    try:
        return EmbeddedPostgres(settings.postgres_folder).url()
    except TimeoutError:
        raise ValueError(
            f"No service runs on {settings.data_folder}: start it with `svp up`, set "
            "SVP_DATA_FOLDER to the folder of one that runs, or set SVP_DATABASE_URL."
        ) from None


@contextmanager
def sessions() -> "Iterator[sessionmaker[Session]]":
    """Yield sessions on that database, which wake the workers where they create jobs."""
    from app.db.session import make_engine, make_session_factory  # noqa: PLC0415
    from app.queue import make_publisher  # noqa: PLC0415

    settings = read_settings()
    engine = make_engine(database_url(settings))
    try:
        yield make_session_factory(engine, make_publisher(settings))
    finally:
        engine.dispose()
