"""`svp doctor` uses each part once and says which does not work."""

from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy.orm import Session, sessionmaker
from typer.testing import CliRunner

from app.config import Settings
from app.db.session import transaction
from app.services import workers
from workers.cli.main import app
from workers.service.doctor import check_machine
from workers.service.ports import free_port

PARTS = ["database", "disk", "artifacts", "broker", "worker", "device"]
ALL_BYTES = 2**62


@pytest.fixture
def worker(session_factory: sessionmaker[Session]) -> None:
    """A worker is running."""
    with transaction(session_factory) as session:
        workers.say(session, uuid4(), "here:1", "gpu,cpu")


def wrong(settings: Settings, url: str) -> dict[str, str]:
    """Return what is wrong, by part."""
    findings = list(check_machine(settings, url))
    assert [finding.name for finding in findings] == PARTS
    return {finding.name: finding.detail for finding in findings if not finding.is_fine}


@pytest.mark.usefixtures("worker")
class TestCheckMachine:
    def test_nothing_is_wrong_where_all_works(self, settings: Settings, database_url: str) -> None:
        assert wrong(settings, database_url) == {}

    def test_disk_below_the_watermark(self, settings: Settings, database_url: str) -> None:
        full = settings.model_copy(update={"min_free_bytes": ALL_BYTES})
        found = wrong(full, database_url)
        assert list(found) == ["disk"]
        assert "SVP_MIN_FREE_BYTES" in found["disk"]

    def test_store_that_takes_no_new_bytes(
        self, settings: Settings, database_url: str, tmp_path: Path
    ) -> None:
        blocked = tmp_path / "file"
        blocked.write_bytes(b"")
        changed = settings.model_copy(update={"artifact_url": f"file://{blocked}/below"})
        assert list(wrong(changed, database_url)) == ["artifacts"]

    def test_broker_that_does_not_answer(self, settings: Settings, database_url: str) -> None:
        url = SecretStr(f"redis://:secret@127.0.0.1:{free_port()}/0")
        found = wrong(settings.model_copy(update={"broker_url": url}), database_url)
        assert list(found) == ["broker"]
        assert "secret" not in found["broker"]

    def test_database_that_does_not_answer(self, settings: Settings) -> None:
        url = f"postgresql://nobody:secret@127.0.0.1:{free_port()}/none"
        found = wrong(settings, url)
        assert list(found) == ["database", "worker"]
        assert "secret" not in str(found)


def test_no_worker_is_wrong_and_says_how_to_start_one(
    settings: Settings, database_url: str
) -> None:
    found = wrong(settings, database_url)
    assert list(found) == ["worker"]
    assert "`svp worker`" in found["worker"]


def test_the_command_fails_if_something_is_wrong(
    settings: Settings,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    session_factory: sessionmaker[Session],
) -> None:
    monkeypatch.setenv("SVP_DATABASE_URL", database_url)
    monkeypatch.setenv("SVP_DATA_FOLDER", str(settings.data_folder))
    asked = CliRunner().invoke(app, ["doctor"])
    assert asked.exit_code == 1
    assert "WRONG  worker" in asked.stdout
    with transaction(session_factory) as session:
        workers.say(session, uuid4(), "here:1", "gpu,cpu")
    asked = CliRunner().invoke(app, ["doctor"])
    assert asked.exit_code == 0
    assert "WRONG" not in asked.stdout
