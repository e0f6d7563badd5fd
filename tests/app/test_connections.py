"""Connections that Postgres dropped while they were idle."""

import pytest
from sqlalchemy import Engine, text

from app.db import session
from app.db.session import make_engine


def test_an_idle_connection_that_broke_is_replaced(
    database_url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PING_AFTER_SECONDS", 0)
    pooled = make_engine(database_url, pool_size=1)
    with pooled.connect() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)").bindparams(pid=pid))
    with pooled.connect() as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) != pid
    pooled.dispose()


@pytest.mark.parametrize(("after", "n"), [(0, 3), (3600, 0)], ids=["idle", "busy"])
def test_only_an_idle_connection_is_asked_whether_it_lives(
    database_url: str, monkeypatch: pytest.MonkeyPatch, after: float, n: int
) -> None:
    monkeypatch.setattr(session, "PING_AFTER_SECONDS", after)
    pooled = make_engine(database_url, pool_size=1)
    pings: list[object] = []
    monkeypatch.setattr(pooled.dialect, "do_ping", pings.append)
    for _ in range(4):
        with pooled.connect() as connection:
            connection.execute(text("SELECT 1"))
    assert len(pings) == n
    pooled.dispose()
