"""A job's files on its machine, and its behaviour while the database is away."""

from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.session import make_engine, make_session_factory, transaction
from app.db.tables import JobKind
from app.domain.errors import JobFenced
from app.domain.states import RoundState
from app.services.jobs import ClaimedJob
from app.storage.artifacts import ArtifactStore
from models.training.train import TrainProgress
from tests.projects import TINY, ServedProject
from tests.workers.jobs.test_packed_pool import a_project
from workers.jobs import attempt
from workers.jobs.context import JobContext
from workers.service.ports import free_port


def test_a_job_of_the_same_id_in_another_database_has_another_checkpoint(
    session_factory: sessionmaker[Session], settings: Settings
) -> None:
    with transaction(session_factory) as session:
        project = a_project(session)
    kind = JobKind.TRAIN_AND_SELECT
    claimed = ClaimedJob(1, uuid4(), kind, project.id, None, None, None, None, None, 1, None)
    store = ArtifactStore(settings.artifact_store_url)

    def kept() -> set[object]:
        context = JobContext(claimed, settings, session_factory, store, lambda: False)
        return {context.checkpoint.path, context.hooks.selection_file}

    before = kept()
    assert before == kept()
    with transaction(session_factory) as session:
        session.execute(text("UPDATE projects SET uid = gen_random_uuid()"))
    assert before.isdisjoint(kept())


@pytest.fixture
def started(session_factory: sessionmaker[Session], settings: Settings) -> ServedProject:
    """A project whose first job waits."""
    served = ServedProject(session_factory, settings, TINY["text"], total_budget=12)
    served.add(range(12))
    served.start()
    return served


def context_of(served: ServedProject, settings: Settings) -> JobContext:
    return JobContext(served.claim(), settings, served.factory, served.store, lambda: False)


class TestDatabaseAway:
    def test_costs_a_report_of_the_progress_and_not_the_attempt(
        self, started: ServedProject, settings: Settings
    ) -> None:
        context = context_of(started, settings)
        report = context.hooks.on_progress
        assert report is not None
        away = make_engine(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
        context.factory = make_session_factory(away, None)
        report(TrainProgress(epoch=2, epochs=2, loss=0.5, seconds=1.0))
        context.factory = started.factory
        context.claimed = replace(context.claimed, token=uuid4())
        with pytest.raises(JobFenced):
            report(TrainProgress(epoch=2, epochs=2, loss=0.5, seconds=1.0))

    def test_a_finished_job_publishes_once_it_is_back(
        self,
        started: ServedProject,
        engine: Engine,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(attempt, "WRITE_PAUSE_SECONDS", 0.01)
        ended: list[str] = []

        def end_twice(
            _connection: object, _cursor: object, statement: str, values: object, *_: object
        ) -> tuple[str, object]:
            if len(ended) == 2 or "INSERT INTO batch" not in statement:
                return statement, values
            ended.append(statement)
            return "SELECT pg_terminate_backend(pg_backend_pid())", {}

        event.listen(engine, "before_cursor_execute", end_twice, retval=True)
        started.do_job()
        assert len(ended) == 2
        assert started.round_(0).state == RoundState.LABELING

    def test_for_longer_than_a_lease_fails_the_attempt(
        self, started: ServedProject, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(attempt, "WRITE_PAUSE_SECONDS", 0.01)
        short = settings.model_copy(update={"job_lease_seconds": 0.1})
        with pytest.raises(OperationalError):
            context_of(started, short).write_fenced(
                lambda db: db.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
            )
