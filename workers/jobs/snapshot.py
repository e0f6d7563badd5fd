"""Snapshots: a job's data, fixed by its first attempt and stored as an artifact."""

import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session

from app.db.queries import batches, labels, set_aside
from app.db.tables import Project, Round, Split
from app.domain.budget import ranking_length
from app.services.budget import budget_state, n_selectable
from app.storage.artifacts import ArtifactStore
from selection.arrays import IntArray

Arrays = dict[str, npt.NDArray[np.generic]]


def _nothing() -> IntArray:
    return np.empty(0, np.int64)


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
        features_hash: artifact of the pool's brought features; "" without.
        evaluation_features_hash: the same of the evaluation split.
        set_aside_index: pool indices of items that cannot be read: neither trained on nor ranked.
        set_aside_evaluation_index: those of the evaluation split, which are not measured on.
        n_resolved: resolved labels, with those of items that are set aside.
    """

    labeled_index: IntArray
    labels: IntArray
    excluded_index: IntArray
    n_pool: int
    n_evaluation: int
    n_ranked: int
    features_hash: str = ""
    evaluation_features_hash: str = ""
    set_aside_index: IntArray = field(default_factory=_nothing)
    set_aside_evaluation_index: IntArray = field(default_factory=_nothing)
    n_resolved: int = 0


def gather_snapshot(session: Session, project: Project, round_: Round | None) -> Arrays:
    """Return the snapshot of a project, as `read_snapshot` reads it once it is stored.

    All statements must see the same: the project is locked, or the session is a `still` one.
    """
    index, classes = labels.resolved_arrays(session, project.id)
    excluded = batches.excluded_pool_indices(session, project.id)
    n_ranked = 0
    if round_ is not None:
        may_drop_out = batches.open_counts(session, project.id).reserve
        selectable = n_selectable(session, project, budget_state(session, project))
        n_ranked = ranking_length(round_.budget, project.reserve, may_drop_out, selectable)
    n_resolved = project.n_labeled + project.n_imported
    counts = [project.n_pool, project.n_evaluation, n_ranked, n_resolved]
    return {
        "labeled_index": index,
        "labels": classes,
        "excluded_index": excluded,
        "counts": np.asarray(counts, np.int64),
        "features_hash": np.asarray(project.features_hash or ""),
        "evaluation_features_hash": np.asarray(project.evaluation_features_hash or ""),
        "set_aside_index": _set_aside(session, project, Split.POOL),
        "set_aside_evaluation_index": _set_aside(session, project, Split.EVALUATION),
    }


def _set_aside(session: Session, project: Project, split: Split) -> IntArray:
    return np.asarray(set_aside.indices(session, project.id, split), np.int64)


def read_snapshot(store: ArtifactStore, snapshot_hash: str) -> Snapshot:
    """Return a stored snapshot; one of an older version knows of no items that are set aside."""
    arrays = load_arrays(store, snapshot_hash)
    n_pool, n_evaluation, n_ranked, *rest = (int(value) for value in arrays["counts"])
    return Snapshot(
        labeled_index=arrays["labeled_index"],
        labels=arrays["labels"],
        excluded_index=arrays["excluded_index"],
        n_pool=n_pool,
        n_evaluation=n_evaluation,
        n_ranked=n_ranked,
        features_hash=str(arrays.get("features_hash", "")),
        evaluation_features_hash=str(arrays.get("evaluation_features_hash", "")),
        set_aside_index=arrays.get("set_aside_index", _nothing()),
        set_aside_evaluation_index=arrays.get("set_aside_evaluation_index", _nothing()),
        n_resolved=rest[0] if rest else len(arrays["labels"]),
    )


def store_arrays(store: ArtifactStore, **arrays: npt.NDArray[np.generic]) -> str:
    """Store named arrays as one artifact and return its hash."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return store.put(buffer.getvalue())


def load_arrays(store: ArtifactStore, digest: str) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays that `store_arrays` stored."""
    return dict(np.load(io.BytesIO(store.get(digest)), allow_pickle=False))
