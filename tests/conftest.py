"""Fixtures for every test: one embedded Postgres for the session, a migrated database per test."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.embedded import EmbeddedPostgres
from app.db.migrate import migrate
from app.db.session import make_engine, make_session_factory
from app.logging import configure_logging
from tests.support import is_open, require, wait_for
from workers.processes import wait_passively
from workers.service.ports import free_port

TEMPLATE = "svp_template"

# Before torch and numba are imported. Workers that tests start share what this process compiled.
wait_passively()
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "numba"))

configure_logging(Settings(data_folder=Path("unused")))  # else tracebacks are drawn, with locals

# The first example of a property may compile a numba function.
hypothesis.settings.register_profile("svp", deadline=None)
hypothesis.settings.load_profile("svp")


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server: SVP_DATABASE_URL when set, else an embedded one for this session."""
    if "SVP_DATABASE_URL" in os.environ:
        yield os.environ["SVP_DATABASE_URL"]
        return
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "data")
    url = server.start()
    _forget_durability(url)
    yield url
    server.stop()


def _forget_durability(url: str) -> None:
    """Let a server that no test outlives skip waiting for the disk."""
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> Iterator[Engine]:
    """The server's maintenance engine, once the migrated template database exists."""
    url = postgres_url.replace("postgresql://", "postgresql+psycopg://", 1)
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {TEMPLATE}"))
        connection.execute(text(f"CREATE DATABASE {TEMPLATE}"))
    engine = make_engine(with_database(postgres_url, TEMPLATE))
    migrate(engine)
    engine.dispose()
    yield admin
    admin.dispose()


@pytest.fixture
def database_url(template_database: Engine, postgres_url: str) -> Iterator[str]:
    """URL of a fresh migrated database, dropped after the test."""
    name = f"svp_{uuid.uuid4().hex[:12]}"
    with template_database.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
    yield with_database(postgres_url, name)
    with template_database.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Engine on the test's own database."""
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def wakeups() -> list[tuple[int, str]]:
    """The (job_id, queue) messages that commits of this test sent."""
    return []


@pytest.fixture
def session_factory(engine: Engine, wakeups: list[tuple[int, str]]) -> sessionmaker[Session]:
    """Sessions on the test's database whose wake-ups are recorded instead of sent."""
    return make_session_factory(engine, lambda job_id, queue: wakeups.append((job_id, queue)))


@pytest.fixture
def session(session_factory: sessionmaker[Session]) -> Iterator[Session]:
    """One session; tests that need several take `session_factory`."""
    with session_factory() as session:
        yield session


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with every folder under the test's own."""
    return Settings(data_folder=tmp_path / "data")


def with_database(url: str, name: str) -> str:
    """Return the server's URL with another database name."""
    head, _, query = url.partition("?")
    base = head.rsplit("/", 1)[0]
    return f"{base}/{name}" + (f"?{query}" if query else "")


@pytest.fixture
def real_data() -> Path:
    """Folder of the real data sets; the test is skipped where SVP_DATA_DIR is not set."""
    if "SVP_DATA_DIR" not in os.environ:
        pytest.skip("SVP_DATA_DIR is not set: no real data sets here")
    return Path(os.environ["SVP_DATA_DIR"])


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """URL of a real Redis of this test's own."""
    require(shutil.which("redis-server") is not None, "redis-server is not installed")
    port = free_port()
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--appendonly", "yes", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    wait_for(lambda: is_open(port), 10)
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    process.wait(10)
