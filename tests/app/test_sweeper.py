"""Repairs that the service makes by itself between requests, and its log events about them."""

from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy.orm import Session, sessionmaker
from structlog.testing import capture_logs

from app.config import Settings
from app.db.session import transaction
from app.main import create_app
from app.services.leases import next_batch
from tests.loop import annotator, expire_leases, start_labeling
from tests.support import wait_for


def test_freed_leases_are_logged_once(
    session_factory: sessionmaker[Session], settings: Settings, database_url: str
) -> None:
    project = start_labeling(session_factory, settings, "p", initial_budget=3)
    ada = annotator(session_factory, "ada")
    with transaction(session_factory) as session:
        assert len(next_batch(session, project, ada, 2, settings).items) == 2
    expire_leases(session_factory, project)
    often = {"database_url": SecretStr(database_url), "sweep_seconds": 0.01}
    with capture_logs() as lines, TestClient(create_app(settings.model_copy(update=often))):
        wait_for(lambda: bool(lines), 10)
    (swept,) = lines
    assert (swept["event"], swept["freed_leases"], swept["requeued"]) == ("jobs.swept", 2, [])
