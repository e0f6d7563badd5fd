"""Checks of `svp doctor`: the parts of this machine, and the promises kept in the database."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from sqlalchemy import text
from sqlalchemy.orm import sessionmaker

from app.config import Settings
from app.db.migrate import check_current
from app.db.queries.invariants import INVARIANTS, find_violations
from app.db.session import make_engine
from app.queue import check_broker
from app.services import workers
from app.storage.artifacts import ArtifactStore
from app.storage.room import check_room
from models.training.precision import name_of_device

SHOWN_VIOLATIONS = 5


@dataclass(frozen=True)
class Finding:
    """The finding of one check."""

    name: str
    detail: str
    is_fine: bool = True


def check_machine(settings: Settings, database_url: str) -> Iterator[Finding]:
    """Yield the finding of each part after one use."""
    yield _try("database", lambda: _use_database(database_url))
    yield _try("disk", lambda: _describe_room(settings))
    yield _try("artifacts", lambda: _use_store(settings))
    yield _try("broker", lambda: check_broker(settings))
    yield _try("worker", lambda: _find_workers(database_url))
    yield _try("device", _describe_device)


def check_invariants(database_url: str) -> Iterator[Finding]:
    """Yield one finding per promise, with the first rows that break it."""
    engine = make_engine(database_url, pool_size=1)
    with sessionmaker(engine)() as session:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        session.execute(text("SET TRANSACTION READ ONLY"))
        violations = list(find_violations(session))
    engine.dispose()
    for invariant in INVARIANTS:
        broken = [v for v in violations if v.invariant == invariant.name]
        if not broken:
            yield Finding(invariant.name, invariant.sentence)
            continue
        shown = "; ".join(f"project {v.project_id}: {v.detail}" for v in broken[:SHOWN_VIOLATIONS])
        detail = f"broken {len(broken)} times. {invariant.sentence} {shown}"
        yield Finding(invariant.name, detail, is_fine=False)


def _try(name: str, use: Callable[[], str]) -> Finding:
    try:
        return Finding(name, use())
    except Exception as error:  # noqa: BLE001 - a check reports whatever went wrong
        return Finding(name, f"{type(error).__name__}: {error}", is_fine=False)


def _use_database(url: str) -> str:
    engine = make_engine(url, pool_size=1)
    try:
        check_current(engine)
        with engine.connect() as connection:
            return f"Postgres {connection.scalar(text('SHOW server_version'))}, schema current"
    finally:
        engine.dispose()


def _use_store(settings: Settings) -> str:
    ArtifactStore(settings.artifact_store_url).check_writable()
    return f"{settings.artifact_store_url} can be written"


def _describe_room(settings: Settings) -> str:
    check_room(settings)
    return f"more than {settings.min_free_bytes} bytes free (SVP_MIN_FREE_BYTES)"


def _find_workers(url: str) -> str:
    engine = make_engine(url, pool_size=1)
    try:
        with sessionmaker(engine)() as session:
            found = workers.present(session)
    finally:
        engine.dispose()
    if not found:
        raise TimeoutError("none was seen recently; start one: `svp worker`, or `svp up`")
    return f"{', '.join(found)} at work"


def _describe_device() -> str:
    if torch.cuda.is_available():
        return name_of_device("cuda")
    return f"no GPU; torch {torch.__version__} uses {torch.get_num_threads()} CPU threads"
