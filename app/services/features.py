"""Features that users bring: one row for each pool item, stored as an artifact."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy.orm import Session

from app.db.queries import events, projects
from app.domain.errors import FeaturesInvalid
from app.storage.npy import open_npy

ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class BroughtFeatures:
    """An artifact that holds features: [n, d] under its hash."""

    features_hash: str
    n: int
    d: int


def check_features(path: Path) -> tuple[int, int]:
    """Return (n, d) of a NumPy file of finite float32 or float64.

    Raises:
        FeaturesInvalid: it is none; says what was found, and in which row.
    """
    try:
        array = open_npy(path)
    except ValueError as error:
        raise FeaturesInvalid(
            f"The body is no NumPy file ({error}); write it with numpy.save and send it whole."
        ) from None
    if array.ndim != 2 or array.shape[1] == 0:
        raise FeaturesInvalid("Features must be one array [items, values], written by numpy.save.")
    if array.dtype not in (np.float32, np.float64):
        raise FeaturesInvalid(f"Features must be float32 or float64, not {array.dtype}.")
    for start in range(0, len(array), ROWS_AT_ONCE):
        is_finite = np.isfinite(array[start : start + ROWS_AT_ONCE]).all(axis=1)
        if not is_finite.all():
            row = start + int(is_finite.argmin())
            raise FeaturesInvalid(f"Row {row} of the features holds NaN or infinity.")
    return array.shape[0], array.shape[1]


def bring_features(session: Session, project_id: int, brought: BroughtFeatures) -> None:
    """Use stored features for the project's selections from now on.

    Raises:
        NotFound: there is no such project.
        FeaturesInvalid: they do not have one row for each pool item.
    """
    project = projects.lock(session, project_id)
    if brought.n != project.n_pool:
        raise FeaturesInvalid(
            f"Features have {brought.n} rows, the pool has {project.n_pool} items; send a row for "
            "each pool item, in import order (the items' index)."
        )
    project.features_hash, project.n_featured = brought.features_hash, brought.n
    events.append(session, project_id, "features.brought", vars(brought))
