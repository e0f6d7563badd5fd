"""Fixtures for every test: one embedded Postgres for the session, an empty database per test."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import joblib
import psycopg
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.embedded import EmbeddedPostgres
from app.db.session import make_engine, make_session_factory
from app.logging import configure_logging
from tests.databases import Databases
from tests.support import is_open, require, wait_for
from workers.processes import wait_passively
from workers.service.ports import free_port

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
MOST_WORKERS = 4  # each has a Postgres and a torch of its own
TEMPLATE = f"svp_template_{WORKER}"  # they may also share a server

# Before torch and numba are imported. Processes that tests start share what this one compiled.
wait_passively()
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "numba"))

configure_logging(Settings(data_folder=Path("unused")))  # else tracebacks are drawn, with locals

# The first example of a property may compile a numba function: no deadline.
# --hypothesis-profile thorough tries more examples.
hypothesis.settings.register_profile("quick", deadline=None, max_examples=25)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=200)
hypothesis.settings.load_profile("quick")


def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes run the tests with `-n auto`: one per core, at most four."""
    return min(int(joblib.cpu_count()), MOST_WORKERS)


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
    """Let a server that no test outlives not wait for the disk, nor work beside the tests."""
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="session")
def databases(postgres_url: str) -> Iterator[Databases]:
    """Migrated databases on the session's server."""
    databases = Databases(postgres_url, TEMPLATE)
    yield databases
    databases.close()


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """URL of a migrated, empty database of this test's own."""
    database = databases.take()
    yield database.url
    databases.give_back(database)


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
    """Settings with every folder under the test's own; answers beside gold wait for nothing."""
    return Settings(data_folder=tmp_path / "data", gold_answer_seconds=0)


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
