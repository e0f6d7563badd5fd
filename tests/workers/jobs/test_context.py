"""What a job keeps on its machine is found again by that job alone."""

from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.session import transaction
from app.db.tables import JobKind
from app.services.jobs import ClaimedJob
from app.storage.artifacts import ArtifactStore
from tests.workers.jobs.test_packed_pool import a_project
from workers.jobs.context import JobContext


def test_a_job_of_the_same_id_in_another_database_has_another_checkpoint(
    session_factory: sessionmaker[Session], settings: Settings
) -> None:
    with transaction(session_factory) as session:
        project = a_project(session)
    claimed = ClaimedJob(1, uuid4(), JobKind.TRAIN_AND_SELECT, project.id, None, None, 1, None)
    store = ArtifactStore(settings.artifact_store_url)

    def kept() -> set[object]:
        context = JobContext(claimed, settings, session_factory, store, lambda: False)
        return {context.checkpoint.path, context.hooks.selection_file}

    before = kept()
    assert before == kept()
    with transaction(session_factory) as session:
        session.execute(text("UPDATE projects SET uid = gen_random_uuid()"))
    assert before.isdisjoint(kept())
