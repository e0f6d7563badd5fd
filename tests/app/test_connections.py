"""Connections that Postgres dropped while they were idle."""

import time

from sqlalchemy import Engine, text

from app.db.session import PING_AFTER_SECONDS, make_engine


def test_an_idle_connection_that_broke_is_replaced(database_url: str, engine: Engine) -> None:
    pooled = make_engine(database_url, pool_size=1)
    with pooled.connect() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)").bindparams(pid=pid))
    time.sleep(PING_AFTER_SECONDS + 0.1)
    with pooled.connect() as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) != pid
    pooled.dispose()
