"""Connections that Postgres dropped, while they were idle or in use."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from app.db.session import make_engine
from svp_client import Client, ClientError
from tests.support import wait_for


def test_an_idle_connection_that_broke_is_replaced(database_url: str, engine: Engine) -> None:
    pooled = make_engine(database_url, pool_size=1, ping_after_seconds=0)
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
    pooled = make_engine(database_url, pool_size=1, ping_after_seconds=after)
    pings: list[object] = []
    monkeypatch.setattr(pooled.dialect, "do_ping", pings.append)
    for _ in range(4):
        with pooled.connect() as connection:
            connection.execute(text("SELECT 1"))
    assert len(pings) == n
    pooled.dispose()


def test_an_import_whose_copy_postgres_cancels_is_asked_to_come_again(
    admin: Client, text_project: int, engine: Engine
) -> None:
    lines = [{"external_id": "late", "text": "late"}]
    waiting = text("SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'items'::regclass")
    with engine.connect() as other, ThreadPoolExecutor(1) as pool:
        other.execute(text("LOCK TABLE items IN EXCLUSIVE MODE"))
        importing = pool.submit(admin.import_items, text_project, lines)
        wait_for(lambda: other.scalar(waiting) is not None, 30)
        other.execute(text("SELECT pg_cancel_backend(:pid)").bindparams(pid=other.scalar(waiting)))
        refusal = importing.exception(30)
    assert isinstance(refusal, ClientError)
    assert (refusal.status, refusal.code) == (503, "service_busy")
    assert admin.import_items(text_project, lines)["n_created"] == 1
