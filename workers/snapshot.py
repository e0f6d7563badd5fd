"""What every attempt of a job works on: fixed by its first attempt, stored as an artifact."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session

from app.db.queries import batches, labels
from app.db.tables import Project, Round
from app.domain.budget import ranking_length
from app.services.rounds import budget_state, n_selectable
from app.storage.artifacts import ArtifactStore

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Snapshot:
    """The labeled set and the pool at one instant.

    Attributes:
        labeled_index: pool indices with a resolved label, ascending, [m].
        labels: their class indices, [m].
        excluded_index: pool indices that may not be ranked, ascending.
        n_pool: items of the pool split.
        n_evaluation: items of the evaluation split.
        n_ranked: how many items the selection ranks; 0 for other jobs.
        features_hash: artifact of the brought features; "" without.
    """

    labeled_index: IntArray
    labels: IntArray
    excluded_index: IntArray
    n_pool: int
    n_evaluation: int
    n_ranked: int
    features_hash: str = ""


def take_snapshot(
    session: Session, store: ArtifactStore, project: Project, round_: Round | None
) -> str:
    """Store the snapshot of a locked project and return its hash."""
    index, classes = labels.resolved_arrays(session, project.id)
    excluded = batches.excluded_pool_indices(session, project.id)
    n_ranked = 0
    if round_ is not None:
        may_drop_out = batches.open_counts(session, project.id).reserve
        selectable = n_selectable(session, project, budget_state(session, project))
        n_ranked = ranking_length(round_.budget, project.reserve, may_drop_out, selectable)
    return store_arrays(
        store,
        labeled_index=np.asarray(index, np.int64),
        labels=np.asarray(classes, np.int64),
        excluded_index=np.asarray(excluded, np.int64),
        counts=np.asarray([project.n_pool, project.n_evaluation, n_ranked], np.int64),
        features_hash=np.asarray(project.features_hash or ""),
    )


def read_snapshot(store: ArtifactStore, snapshot_hash: str) -> Snapshot:
    """Return a stored snapshot."""
    arrays = load_arrays(store, snapshot_hash)
    n_pool, n_evaluation, n_ranked = (int(value) for value in arrays["counts"])
    return Snapshot(
        arrays["labeled_index"],
        arrays["labels"],
        arrays["excluded_index"],
        n_pool,
        n_evaluation,
        n_ranked,
        str(arrays.get("features_hash", "")),
    )


def store_arrays(store: ArtifactStore, **arrays: npt.NDArray[np.generic]) -> str:
    """Store named arrays as one artifact and return its hash."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return store.put(buffer.getvalue())


def load_arrays(store: ArtifactStore, digest: str) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays that `store_arrays` stored."""
    return dict(np.load(io.BytesIO(store.get(digest)), allow_pickle=False))
