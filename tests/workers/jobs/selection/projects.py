"""The project's size and texts, features that are brought to it, and what its rounds selected."""

from pathlib import Path

import numpy as np
from sqlalchemy.orm import Session, sessionmaker

from app.db.queries import rounds
from app.db.session import transaction
from app.db.tables import BatchItem, Project, Round, Split
from app.services import features
from app.services.lifecycle import start_project
from app.services.projects import ModelChoice
from app.storage.artifacts import ArtifactStore
from workers.jobs.snapshot import Snapshot, gather_snapshot, read_snapshot, store_arrays

N_LABELED, N = 30, 70


WORDS = {"a": ["fine", "good", "great"], "b": ["bad", "poor", "sad"]}


PROXY = ModelChoice("fasttext", {"epochs": 8, "buckets": 500, "minibatch": 8})


def stored_snapshot(session: Session, store: ArtifactStore, project: Project) -> Snapshot:
    return read_snapshot(store, store_arrays(store, **gather_snapshot(session, project, None)))


def start(factory: sessionmaker[Session], project_id: int) -> None:
    with transaction(factory) as session:
        start_project(session, project_id)


def put(
    factory: sessionmaker[Session],
    store: ArtifactStore,
    project_id: int,
    path: Path,
    split: Split = Split.POOL,
) -> None:
    """Do what PUT /features does."""
    brought = features.BroughtFeatures(store.put_file(path), *features.check_features(path))
    with transaction(factory) as session:
        features.bring_features(session, project_id, brought, split)


def bring(
    factory: sessionmaker[Session], store: ArtifactStore, project_id: int, path: Path, d: int = 4
) -> np.ndarray:
    """Bring features in which 7 items lie far away, in d directions, and return them."""
    array = np.random.default_rng(3).normal(size=(N, d)).astype(np.float32)
    array[60:67] += 40.0 * np.eye(d, dtype=np.float32)[np.arange(7) % d]
    np.save(path, array)
    put(factory, store, project_id, path)
    return array


def selected(factory: sessionmaker[Session], project_id: int) -> tuple[Round, list[BatchItem]]:
    with transaction(factory) as session:
        round_ = rounds.latest(session, project_id)
        assert round_ is not None
        page = rounds.ranked_page(session, round_.id, -1, 1000)
        return round_, [batch_item for batch_item, _ in page]


def selected_index(factory: sessionmaker[Session], project_id: int) -> list[int]:
    with transaction(factory) as session:
        round_ = rounds.latest(session, project_id)
        assert round_ is not None
        page = rounds.ranked_page(session, round_.id, -1, 1000)
        return [item.index for _, item in page]
