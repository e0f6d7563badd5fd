"""Readiness names each part that does not work."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from anyio import to_thread
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy.orm import Session, sessionmaker

from app.api.admission import DATABASE
from app.config import Settings
from app.db.session import make_engine, make_session_factory, transaction
from app.domain.errors import StorageFull
from app.services import workers
from app.services.prepared_items import prepare_items
from app.services.readiness import find_faults
from app.storage.artifacts import ArtifactStore
from app.storage.room import check_room, has_room
from tests.app.conftest import change_settings
from tests.app.test_slow_bytes import Gate, SlowStore
from workers.service.health import ask_readiness
from workers.service.ports import free_port

ALL_BYTES = 2**62
ANSWER_SECONDS = 10  # the asker's time-out


@pytest.fixture
def faults(session_factory: sessionmaker[Session]) -> Callable[..., dict[str, str]]:
    """Asks with some settings changed."""

    def ask(settings: Settings, **changes: object) -> dict[str, str]:
        changed = settings.model_copy(update=changes)
        return find_faults(session_factory, ArtifactStore(changed.artifact_store_url), changed)

    return ask


@pytest.fixture
def app(http: TestClient) -> FastAPI:
    """The application behind `http`."""
    app = http.app
    assert isinstance(app, FastAPI)
    return app


@pytest.fixture
def worker(session_factory: sessionmaker[Session]) -> None:
    """A worker is running."""
    with transaction(session_factory) as session:
        workers.say(session, uuid4(), "here:1", "gpu,cpu")


@pytest.mark.usefixtures("worker")
class TestFindFaults:
    def test_nothing_where_all_works(
        self, faults: Callable[..., dict[str, str]], settings: Settings
    ) -> None:
        assert faults(settings) == {}

    def test_disk_below_the_watermark(
        self, faults: Callable[..., dict[str, str]], settings: Settings
    ) -> None:
        found = faults(settings, min_free_bytes=ALL_BYTES)
        assert list(found) == ["disk"]
        assert "SVP_MIN_FREE_BYTES" in found["disk"]

    def test_store_that_takes_no_new_bytes(
        self, faults: Callable[..., dict[str, str]], settings: Settings, tmp_path: Path
    ) -> None:
        blocked = tmp_path / "file"
        blocked.write_bytes(b"")
        assert list(faults(settings, artifact_url=f"file://{blocked}/below")) == ["artifacts"]

    def test_broker_that_does_not_answer(
        self, faults: Callable[..., dict[str, str]], settings: Settings
    ) -> None:
        url = SecretStr(f"redis://:secret@127.0.0.1:{free_port()}/0")
        found = faults(settings, broker_url=url)
        assert list(found) == ["broker"]
        assert "secret" not in found["broker"]

    def test_database_that_does_not_answer(self, settings: Settings) -> None:
        engine = make_engine(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
        factory = make_session_factory(engine, None)
        found = find_faults(factory, ArtifactStore(settings.artifact_store_url), settings)
        assert list(found) == ["database", "worker"]


def test_no_worker_is_a_fault(faults: Callable[..., dict[str, str]], settings: Settings) -> None:
    assert list(faults(settings)) == ["worker"]


@contextmanager
def all_threads_taken(http: TestClient) -> Iterator[None]:
    """Leave no thread to other requests within."""
    assert http.portal is not None

    async def take() -> list[object]:
        threads = to_thread.current_default_thread_limiter()
        taken = [object() for _ in range(int(threads.available_tokens))]
        for holder in taken:
            threads.acquire_on_behalf_of_nowait(holder)
        return taken

    async def give_back(taken: list[object]) -> None:
        for holder in taken:
            to_thread.current_default_thread_limiter().release_on_behalf_of(holder)

    taken = http.portal.call(take)
    try:
        yield
    finally:
        http.portal.call(give_back, taken)


class TestAnswer:
    """Readiness answers in any case, within a deadline of its own."""

    def ask(self, http: TestClient) -> str:
        """Return why the service is not ready."""
        answer = http.get("/api/v1/health/ready")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        detail: str = answer.json()["detail"]
        return detail

    def test_when_all_places_are_taken_it_says_so(self, http: TestClient, app: FastAPI) -> None:
        change_settings(http, readiness_place_seconds=0.1)
        places = app.state.admission.database
        assert http.portal is not None
        with ExitStack() as taken:
            for project in range(DATABASE):
                place = places.take(project)
                taken.enter_context(http.portal.wrap_async_context_manager(place))
            assert "admission: requests wait for more than 0.1 s" in self.ask(http)
            assert http.get("/api/v1/health/live").status_code == 200
        assert "admission" not in self.ask(http)

    def test_when_all_threads_are_taken(self, http: TestClient) -> None:
        with ThreadPoolExecutor(1) as pool, all_threads_taken(http):
            assert "worker" in pool.submit(self.ask, http).result(ANSWER_SECONDS)
            live = pool.submit(http.get, "/api/v1/health/live")
            assert live.result(ANSWER_SECONDS).status_code == 200

    def test_part_that_does_not_answer_is_named(
        self,
        http: TestClient,
        app: FastAPI,
        settings: Settings,
    ) -> None:
        change_settings(http, readiness_part_seconds=0.5)
        gate = Gate()
        app.state.store = SlowStore(settings.artifact_store_url, gate)
        assert "artifacts: there was no answer within 0.5 s" in self.ask(http)
        gate.opened.set()
        assert "artifacts" not in self.ask(http)


class TestLackOfRoom:
    """A service that lacks only room on a disk says so."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"min_free_bytes": ALL_BYTES})

    def test_is_told_from_other_faults(
        self, port: int, session_factory: sessionmaker[Session]
    ) -> None:
        url = f"http://127.0.0.1:{port}"
        assert not ask_readiness(url).lacks_room_only  # no worker is there
        with transaction(session_factory) as session:
            workers.say(session, uuid4(), "here:1", "gpu,cpu")
        fault, lacks_room_only = ask_readiness(url)
        assert "SVP_MIN_FREE_BYTES" in (fault or "")
        assert lacks_room_only


class TestRoom:
    def test_imports_are_refused_below_the_watermark(self, settings: Settings) -> None:
        full = settings.model_copy(update={"min_free_bytes": ALL_BYTES})
        store = ArtifactStore(full.artifact_store_url)
        with pytest.raises(StorageFull, match="SVP_MIN_FREE_BYTES"):
            prepare_items(None, store, full, [], None)  # type: ignore[arg-type]
        check_room(settings)

    def test_folder_that_is_not_there_yet_lies_on_the_disk_of_its_parent(
        self, tmp_path: Path
    ) -> None:
        assert has_room(tmp_path / "a" / "b", 1)
        assert not has_room(tmp_path / "a" / "b", ALL_BYTES)

    def test_disk_without_inodes_is_full(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = os.statvfs(tmp_path)
        values = list(found)
        values[7] = 0  # f_favail
        if not found.f_files:
            pytest.skip("this file system counts no i-nodes")
        monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(values))
        assert not has_room(tmp_path, 1)
