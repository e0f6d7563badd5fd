"""A worker removes its own copies of what was deleted, and no others."""

import os
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.session import transaction
from app.db.tables import Split
from app.services.deletions import delete_project, remove_some
from app.services.erasures import erase_items
from app.services.features import BroughtFeatures, bring_features
from app.storage.artifacts import ArtifactStore
from tests.loop import create_draft, ids, import_texts
from tests.projects import TINY, ServedProject
from workers.jobs.copies import remove_copies
from workers.jobs.packed_pool import PoolReader

Factory = sessionmaker[Session]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_folder=tmp_path / "data", discard_after_seconds=0)


@pytest.fixture
def store(settings: Settings) -> ArtifactStore:
    return ArtifactStore(settings.artifact_store_url)


def make_project(factory: Factory, settings: Settings, name: str) -> tuple[int, list[Path]]:
    """Return a project and the folders of a worker's copies of it."""
    with transaction(factory) as session:
        project = create_draft(session, name)
        session.refresh(project)
        import_texts(session, settings, project.id, [f"{name}-{i}" for i in range(3)])
        folders = [
            settings.cache_folder / kind / str(project.uid) for kind in ("packs", "checkpoints")
        ]
    for folder in folders:
        (folder / "pool-words").mkdir(parents=True)
        (folder / "pool-words" / "ids.i32").write_bytes(b"text")
    return project.id, folders


def test_copies_of_deleted_projects_go(session_factory: Factory, settings: Settings) -> None:
    deleted, gone = make_project(session_factory, settings, "one")
    _, kept = make_project(session_factory, settings, "other")
    stranger = settings.cache_folder / "packs" / "00000000-0000-0000-0000-000000000000"
    stranger.mkdir()
    with transaction(session_factory) as session:
        delete_project(session, deleted, "one", "root")
    remove_copies(session_factory, settings)
    assert [folder.exists() for folder in (*gone, *kept, stranger)] == [False] * 2 + [True] * 3


def test_features_go_once_no_project_uses_them(
    session_factory: Factory, settings: Settings, store: ArtifactStore, tmp_path: Path
) -> None:
    np.save(tmp_path / "f.npy", np.ones((3, 2), np.float32))
    brought = BroughtFeatures(store.put_file(tmp_path / "f.npy"), 3, 2)
    projects = [make_project(session_factory, settings, name)[0] for name in ("one", "other")]
    with transaction(session_factory) as session:
        for project in projects:
            bring_features(session, project, brought)
    reader = PoolReader(session_factory, store, settings)
    mapped = reader.features(brought.features_hash)
    copies = settings.cache_folder / "features"
    for project, name, is_left in zip(projects, ("one", "other"), (True, False), strict=True):
        with transaction(session_factory) as session:
            delete_project(session, project, name, "root")
        while remove_some(session_factory, store, settings):
            pass
        remove_copies(session_factory, settings)
        assert bool(list(copies.glob("*.npy"))) is is_left
    assert mapped.sum() == 6  # whoever has mapped them keeps them
    with transaction(session_factory) as session:
        assert session.scalar(text("SELECT count(*) FROM projects")) == 0


class TestErasedItems:
    @pytest.fixture
    def project(self, session_factory: Factory, settings: Settings) -> ServedProject:
        served = ServedProject(session_factory, settings, TINY["image"])
        served.add(range(6))
        served.add(range(2), Split.EVALUATION)
        served.pack()
        return served

    def packs(self, settings: Settings) -> list[Path]:
        return sorted(settings.cache_folder.glob("packs/*/*/pixels.u8"))

    def erase(self, project: ServedProject, index: int) -> None:
        (item,) = ids(project.factory, project.id, index)
        with transaction(project.factory) as session:
            erase_items(session, project.id, [item], project.settings)

    def test_their_pixels_are_zeros_once_the_pool_is_packed_again(
        self, project: ServedProject, settings: Settings
    ) -> None:
        _, pool = self.packs(settings)
        before = np.fromfile(pool, np.uint8).reshape(6, -1)
        self.erase(project, 3)
        remove_copies(project.factory, settings)  # its packing is queued: nothing goes
        assert np.fromfile(pool, np.uint8).reshape(6, -1)[3].any()
        project.pack()
        after = np.fromfile(pool, np.uint8).reshape(6, -1)
        assert not after[3].any()
        assert (np.delete(after, 3, 0) == np.delete(before, 3, 0)).all()
        remove_copies(project.factory, settings)
        assert len(self.packs(settings)) == 2

    def test_packs_that_nobody_packs_again_go(
        self, project: ServedProject, settings: Settings
    ) -> None:
        _, pool = self.packs(settings)
        other = pool.parent.with_name("pool-image-32-3")
        other.mkdir()
        for path in pool.parent.iterdir():
            (other / path.name).write_bytes(path.read_bytes())
            os.utime(other / path.name, (1, 1))
        self.erase(project, 3)
        project.pack()
        remove_copies(project.factory, settings)
        assert len(self.packs(settings)) == 2
        assert [path.name for path in other.iterdir()] == ["lock"]
