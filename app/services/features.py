"""Features brought by the user: one row for each pool item, stored as an artifact."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy.orm import Session

from app.db.queries import events, projects
from app.domain.errors import FeaturesInvalid
from app.storage.artifacts import ArtifactStore

ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class BroughtFeatures:
    """What was stored: [n, d] under its hash."""

    features_hash: str
    n: int
    d: int


def bring_features(
    session: Session, store: ArtifactStore, project_id: int, path: Path
) -> BroughtFeatures:
    """Store a NumPy file as the project's features; selections that begin later use them.

    Raises:
        NotFound: there is no such project.
        FeaturesInvalid: no array [n_pool, d] of finite float32 or float64; says what was found.
        StorageFull: the artifact store has no room.
    """
    n, d = _check(path, projects.get(session, project_id).n_pool)
    features_hash = store.put_file(path)
    project = projects.lock(session, project_id)
    project.features_hash = features_hash
    facts = {"features_hash": features_hash, "n": n, "d": d}
    events.append(session, project_id, "features.brought", facts)
    return BroughtFeatures(features_hash, n, d)


def _check(path: Path, n_pool: int) -> tuple[int, int]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise FeaturesInvalid(
            f"The body is no NumPy file ({error}); write it with numpy.save and send it whole."
        ) from None
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.shape[1] == 0:
        raise FeaturesInvalid("Features must be one array [items, values], written by numpy.save.")
    if array.dtype not in (np.float32, np.float64):
        raise FeaturesInvalid(f"Features must be float32 or float64, not {array.dtype}.")
    if len(array) != n_pool:
        raise FeaturesInvalid(
            f"Features have {len(array)} rows, the pool has {n_pool} items; send a row for each "
            "pool item, in import order (the items' index)."
        )
    for start in range(0, len(array), ROWS_AT_ONCE):
        is_finite = np.isfinite(array[start : start + ROWS_AT_ONCE]).all(axis=1)
        if not is_finite.all():
            row = start + int(is_finite.argmin())
            raise FeaturesInvalid(f"Row {row} of the features holds NaN or infinity.")
    return array.shape[0], array.shape[1]
