"""Features that users bring: one row for each item of a split, stored as an artifact."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy.orm import Session

from app.db.queries import events, projects
from app.db.tables import Split
from app.domain.errors import FeaturesInvalid
from app.storage.npy import open_npy

ROWS_AT_ONCE = 65_536
_NAMES = {Split.POOL: "pool", Split.EVALUATION: "evaluation split"}


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


def bring_features(
    session: Session, project_id: int, brought: BroughtFeatures, split: Split = Split.POOL
) -> None:
    """Use stored features for the project's selections, or for measuring, from now on.

    Raises:
        NotFound: there is no such project.
        FeaturesInvalid: they do not have one row for each item of the split.
    """
    project = projects.lock(session, project_id)
    n = project.n_pool if split is Split.POOL else project.n_evaluation
    if brought.n != n:
        raise FeaturesInvalid(
            f"Features have {brought.n} rows, the {_NAMES[split]} has {n} items; send a row for "
            "each of them, in import order (the items' index)."
        )
    if split is Split.POOL:
        project.features_hash, project.n_featured = brought.features_hash, brought.n
    else:
        project.evaluation_features_hash = brought.features_hash
    facts = {**vars(brought), "split": split}
    events.append(session, project_id, "features.brought", facts)
