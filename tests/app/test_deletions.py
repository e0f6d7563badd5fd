"""A deleted project is gone at once, and nothing of it stays on the disks."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import deletions as queries
from app.db.queries.deletions import HASHES
from app.db.session import transaction
from app.db.tables import Base, Item, Role
from app.services import deletions, jobs
from app.services.deletions import remove_some
from app.services.jobs import Heartbeat
from app.storage.artifacts import ArtifactStore
from svp_client import Client, ClientError
from tests.app.conftest import MakeClient, png
from tests.app.items import PROJECT
from tests.loop import claim_waiting, label
from tests.support import wait_for

OF_NO_FILE = {"code_hash", "recipe_hash", "secret_hash", "token_hash"}
KEPT = {"alembic_version", "annotators", "deleted_projects", "signing_keys", "tokens"}


@pytest.fixture
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """The service looks for what was deleted every so many seconds; by default never."""
    return Settings(data_folder=tmp_path / "data", sweep_seconds=getattr(request, "param", 600))


@pytest.fixture
def store(settings: Settings) -> ArtifactStore:
    return ArtifactStore(settings.artifact_store_url)


@pytest.fixture
def at_once(settings: Settings) -> Settings:
    """Settings by which files go as soon as nothing refers to them."""
    return settings.model_copy(update={"discard_after_seconds": 0.0})


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletions, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(deletions, "FILES_AT_ONCE", 2)


def remove_all(factory: sessionmaker[Session], store: ArtifactStore, settings: Settings) -> int:
    """Remove what was deleted; return in how many pieces."""
    n = 0
    while remove_some(factory, store, settings):
        n += 1
    return n


def rows_left(factory: sessionmaker[Session]) -> dict[str, int]:
    """Return how many rows each table has that a project's data lie in, if any."""
    with transaction(factory) as session:
        names = set(inspect(session.connection()).get_table_names()) - KEPT
        counts = {n: session.scalar(text(f"SELECT count(*) FROM {n}")) for n in names}  # noqa: S608
    return {name: n for name, n in counts.items() if n}


def files_left(settings: Settings) -> list[Path]:
    folder = Path(settings.artifact_store_url.removeprefix("file://"))
    return [path for path in folder.rglob("*") if path.is_file()]


def image_project(admin: Client, name: str, sides: range) -> int:
    project = int(admin.create_project(name=name, **PROJECT)["id"])
    admin.upload_images(project, [(f"{side}.png", png(side, side)) for side in sides])
    return project


class TestDelete:
    def test_it_is_gone_at_once_and_its_name_is_free(
        self, admin: Client, running: int, make_client: MakeClient
    ) -> None:
        lead = make_client("lead", Role.ADMIN, project_id=running)
        ada = make_client("ada", project_id=running)
        (item,) = ada.next_batch(running, 1)["items"]
        deleted = lead.delete_project(running, "texts")
        assert (deleted["name"], deleted["deleted_by"]) == ("texts", "lead")
        assert (deleted["n_items"], deleted["n_items_left"], deleted["ended_at"]) == (40, 40, None)
        assert admin.find_project("texts") is None
        for asked in (
            lambda: admin.project(running),
            lambda: list(admin.export_labels(running)),
            lambda: admin.item(running, item["item_id"]),
            lambda: ada.next_batch(running, 1),
            lambda: label(ada, running, [item]),
            lambda: admin.delete_project(running, "texts"),
            lambda: admin.copy_project(running, "copy"),
        ):
            with pytest.raises(ClientError) as refusal:
                asked()
            assert (refusal.value.status, refusal.value.code) == (404, "not_found")
        admin.create_project(name="texts", **PROJECT)

    @pytest.mark.parametrize("name", ["text", "TEXTS", " "])
    def test_its_name_must_be_repeated(self, admin: Client, running: int, name: str) -> None:
        with pytest.raises(ClientError) as refusal:
            admin.delete_project(running, name)
        assert refusal.value.status == 422
        assert admin.project(running)["state"] == "running"

    def test_its_job_is_taken_from_its_worker(
        self,
        admin: Client,
        text_project: int,
        session_factory: sessionmaker[Session],
        settings: Settings,
    ) -> None:
        admin.start(text_project)
        claimed = claim_waiting(session_factory, settings, text_project)
        assert claimed is not None
        admin.delete_project(text_project, "texts")
        with transaction(session_factory) as session:
            beat = jobs.heartbeat(session, claimed.id, claimed.token, 60)
            jobs.fail_attempt(session, claimed.id, claimed.token, "killed")
        assert beat is Heartbeat.FENCED


class TestRemoval:
    @pytest.fixture
    def labeled(self, admin: Client, running: int, people: list[Client]) -> int:
        for person in people[:2]:
            items = person.next_batch(running, 2)["items"]
            label(person, running, items)
            person.submit_labels(running, [{"item_id": items[0]["item_id"], "class": "neg"}])
        people[1].flag(running, [items[0]["item_id"]], "odd")
        admin.set_gold(running, {"t-39": "pos"})
        return running

    @pytest.mark.usefixtures("small_pieces", "labeled")
    def test_no_row_of_it_stays(
        self,
        admin: Client,
        running: int,
        session_factory: sessionmaker[Session],
        store: ArtifactStore,
        at_once: Settings,
    ) -> None:
        assert rows_left(session_factory)["label_revisions"] > 0
        admin.delete_project(running, "texts")
        assert remove_all(session_factory, store, at_once) > 40 / 3
        assert rows_left(session_factory) == {}
        (deleted,) = admin.deleted_projects()
        assert (deleted["id"], deleted["n_items_left"], deleted["n_files_left"]) == (running, 0, 0)
        assert deleted["ended_at"]

    @pytest.mark.usefixtures("small_pieces")
    def test_an_interrupted_removal_resumes(
        self,
        admin: Client,
        session_factory: sessionmaker[Session],
        store: ArtifactStore,
        at_once: Settings,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        project = image_project(admin, "images", range(4, 12))
        admin.delete_project(project, "images")
        calls = iter(range(100))

        def dies(_digest: str, _unused: float) -> bool:
            if next(calls) == 3:
                raise KeyboardInterrupt
            return ArtifactStore.discard(store, _digest, _unused)

        with monkeypatch.context() as patch:
            patch.setattr(store, "discard", dies)
            with pytest.raises(KeyboardInterrupt):
                remove_all(session_factory, store, at_once)
        assert files_left(at_once)
        remove_all(session_factory, store, at_once)
        assert files_left(at_once) == []
        assert rows_left(session_factory) == {}

    def test_files_that_another_project_refers_to_stay(
        self,
        admin: Client,
        session_factory: sessionmaker[Session],
        store: ArtifactStore,
        at_once: Settings,
    ) -> None:
        one = image_project(admin, "one", range(4, 8))
        other = image_project(admin, "other", range(6, 10))
        admin.delete_project(one, "one")
        remove_all(session_factory, store, at_once)
        assert len(files_left(at_once)) == 4
        for item in admin.items(other):
            assert admin.image(other, item["item_id"])
        admin.delete_project(other, "other")
        remove_all(session_factory, store, at_once)
        assert files_left(at_once) == []

    def test_a_file_that_an_import_is_about_to_name_stays(
        self,
        admin: Client,
        session_factory: sessionmaker[Session],
        store: ArtifactStore,
        settings: Settings,
    ) -> None:
        """The import stores its image before its rows: nothing names it in between."""
        project = image_project(admin, "one", range(4, 5))
        age(settings, 10_000)
        admin.delete_project(project, "one")
        digest = store.put(png(4, 4))
        remove_all(session_factory, store, settings)
        assert store.get(digest) == png(4, 4)
        with transaction(session_factory) as session:
            assert queries.due(session, 10) == []  # looked at again later
        age(settings, 10_000)
        with transaction(session_factory) as session:
            queries.postpone(session, [digest], -1)
        remove_all(session_factory, store, settings)
        assert files_left(settings) == []

    @pytest.mark.parametrize("settings", [0.05], indirect=True)
    def test_the_service_removes_it_by_itself(
        self, admin: Client, running: int, session_factory: sessionmaker[Session]
    ) -> None:
        admin.delete_project(running, "texts")
        wait_for(lambda: rows_left(session_factory) == {}, 20)


def age(settings: Settings, seconds: float) -> None:
    """Let the stored files be so much older."""
    for path in files_left(settings):
        at = path.stat().st_mtime - seconds
        os.utime(path, (at, at))


def hash_columns() -> Iterator[object]:
    for mapper in Base.registry.mappers:
        for column in mapper.columns:
            if column.name.endswith("_hash") and column.name not in OF_NO_FILE:
                yield mapper.all_orm_descriptors[column.name]


def test_every_column_that_names_a_file_is_looked_at() -> None:
    known = {str(column) for _, column in HASHES} | {str(Item.content_hash)}
    assert {str(column) for column in hash_columns()} <= known
