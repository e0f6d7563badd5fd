"""A job uses the store only while its project is free for others."""

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import projects
from app.db.session import transaction
from app.db.tables import Job
from app.services.labels import LabelEntry, submit_labels
from app.storage.artifacts import ArtifactStore
from tests.projects import TINY, ServedProject
from workers.jobs.context import JobContext
from workers.jobs.opening import open_job

Factory = sessionmaker[Session]


def started(factory: Factory, settings: Settings) -> ServedProject:
    served = ServedProject(factory, settings, TINY["text"], total_budget=12)
    served.add(range(12))
    served.start()
    return served


class WatchedStore(ArtifactStore):
    """Notes whether the project's row was free at each use."""

    def __init__(self, served: ServedProject) -> None:
        super().__init__(served.settings.artifact_store_url)
        self.served = served
        self.was_free: list[bool] = []

    def put(self, data: bytes) -> str:
        self._look()
        return super().put(data)

    def get(self, digest: str) -> bytes:
        self._look()
        return super().get(digest)

    def _look(self) -> None:
        with transaction(self.served.factory) as session:
            found = projects.lock_if_free(session, self.served.id)
            self.was_free.append(found is not None)


def test_no_artifact_is_stored_or_read_while_the_project_is_locked(
    session_factory: Factory, settings: Settings
) -> None:
    served = started(session_factory, settings)
    served.store = store = WatchedStore(served)
    served.do_job()
    served.label(6)
    served.do_job()
    assert len(store.was_free) > 4
    assert all(store.was_free)


def test_a_label_revised_while_the_snapshot_is_stored_makes_the_model_stale(
    session_factory: Factory, settings: Settings
) -> None:
    served = started(session_factory, settings)
    served.do_job()
    with transaction(session_factory) as session:
        items = session.scalars(text("SELECT item_id FROM batch_items WHERE source = 'batch'"))
        first = items.all()[0]
    served.label(6)
    claimed = served.claim()

    class Revising(ArtifactStore):
        def put(self, data: bytes) -> str:
            with transaction(session_factory) as session:
                for name in served.data.classes:  # one of them is another class than before
                    entry = [LabelEntry(first, name)]
                    submit_labels(session, served.id, served.ada, entry, settings)
            return super().put(data)

    store = Revising(settings.artifact_store_url)
    open_job(JobContext(claimed, settings, session_factory, store, lambda: False))
    with transaction(session_factory) as session:
        job = session.get(Job, claimed.id)
        assert job is not None
        assert job.snapshot_hash is not None
        assert job.snapshot_stale
