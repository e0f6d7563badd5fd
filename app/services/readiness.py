"""Finds out whether the service can work: database, disk space, storage, broker, a worker."""

from collections.abc import Callable, Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.session import transaction
from app.domain.errors import DomainError
from app.queue import check_broker
from app.services import workers
from app.storage.artifacts import ArtifactStore
from app.storage.room import check_room

MOST_CHARACTERS = 300


def find_faults(
    factory: sessionmaker[Session],
    store: ArtifactStore,
    settings: Settings,
    asked: list[str] | None = None,
) -> dict[str, str]:
    """Return why the service cannot work, by part; each part is used once.

    Before it asks a part, it appends the part's name to `asked`, so that a caller whose wait times
    out knows which part is slow.
    """
    faults: dict[str, str] = {}
    for part, use in _uses(factory, store, settings):
        if asked is not None:
            asked.append(part)
        try:
            use()
        except Exception as error:  # noqa: BLE001 - drivers and brokers have errors of their own
            faults[part] = _first_words(error)
    return faults


class NoWorker(DomainError):
    """No worker is running."""

    code = "no_worker"


def _uses(
    factory: sessionmaker[Session], store: ArtifactStore, settings: Settings
) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "database", lambda: _use_database(factory)
    yield "disk", lambda: check_room(settings)
    yield "artifacts", store.check_writable
    yield "broker", lambda: check_broker(settings)
    yield "worker", lambda: _find_worker(factory)


def _use_database(factory: sessionmaker[Session]) -> None:
    with transaction(factory) as session:
        session.execute(text("SELECT 1"))


def _find_worker(factory: sessionmaker[Session]) -> None:
    with transaction(factory) as session:
        if not workers.present(session):
            raise NoWorker(
                f"no worker was seen in the last {workers.SEEN_WITHIN_SECONDS:.0f} s; start one: "
                "`svp worker`."
            )


def _first_words(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:MOST_CHARACTERS]
