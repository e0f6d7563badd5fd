"""ProbCover: items whose surroundings cover most of the pool, for the first batches.

Source: Yehuda et al., "Active Learning Through a Covering Lens" (2022), algorithm 1 and section
3.2: balls of radius delta in normalised feature space, delta the largest radius whose balls are
pure in pseudo-labels. The graph of the balls is never stored: memory is O(n).
"""

import numpy as np
import numpy.typing as npt

from selection.clusters import cluster
from selection.types import FloatArray, IntArray, Rows, Scores

PURITY = 0.95
N_SAMPLED = 2000  # rows that the radius is measured on
RADII = np.arange(0.05, 1.45, 0.05)
CELLS_PER_BLOCK = 1 << 24  # of similarities: 128 MiB


def probcover(
    features: FloatArray,
    labeled_features: FloatArray | None,
    budget: int,
    rng: np.random.Generator,
    n_classes: int | None = None,
) -> tuple[Rows, Scores]:
    """Return (rows in order of picking, [b]; items that each newly covers, [b]).

    Once all is covered, the rest comes in a drawn order.

    Args:
        features: of the pool, [n, d].
        labeled_features: what they cover counts as covered, [m, d], or None.
        budget: b <= n (not checked).
        rng: seeds the pseudo-labels; draws the rest.
        n_classes: how many pseudo-labels; unknown = sqrt(n / 2), at most 50.
    """
    unit = _normalised(features)
    wanted = n_classes or int(np.clip(np.sqrt(len(unit) / 2), 2, 50))
    cosine = _cosine_of_radius(covering_radius(unit, wanted, rng))
    is_covered = np.zeros(len(unit), bool)
    if labeled_features is not None:
        height, labeled = _block_height(unit), _normalised(labeled_features)
        for start in range(0, len(labeled), height):
            is_covered |= (unit @ labeled[start : start + height].T >= cosine).any(axis=1)
    degrees = np.zeros(len(unit), np.int64)
    _add_degrees(degrees, unit, np.flatnonzero(~is_covered), cosine, 1)
    rows: list[int] = []
    gains: list[int] = []
    is_left = np.ones(len(unit), bool)
    while len(rows) < budget:
        row = int(np.where(is_left, degrees, -1).argmax())
        if degrees[row] <= 0:
            break
        newly = np.flatnonzero((unit @ unit[row] >= cosine) & ~is_covered)
        rows.append(row)
        gains.append(len(newly))
        is_left[row], is_covered[newly] = False, True
        _add_degrees(degrees, unit, newly, cosine, -1)
    rest = rng.permutation(np.flatnonzero(is_left))[: budget - len(rows)]
    return (
        np.concatenate([np.array(rows, np.int64), rest]),
        np.minimum.accumulate(np.array(gains + [0] * len(rest), np.float64)),
    )


def covering_radius(unit: FloatArray, n_classes: int, rng: np.random.Generator) -> float:
    """Return delta: the largest radius at which 95% of the balls hold one pseudo-label only.

    Args:
        unit: features of length 1, [n, d].
        n_classes: pseudo-labels: k-means clusters.
        rng: seeds them and draws the rows that are measured.
    """
    labels = cluster(unit, n_classes, rng)
    sampled = rng.permutation(len(unit))[:N_SAMPLED]
    squared = 2.0 - 2.0 * (unit[sampled] @ unit[sampled].T)
    # Each sampled row's ball stays pure up to its nearest row of another pseudo-label.
    is_other = labels[sampled][:, None] != labels[sampled]
    nearest_other = np.sqrt(np.maximum(np.where(is_other, squared, 4.0).min(axis=1), 0.0))
    pure = [(nearest_other > radius).mean() >= PURITY for radius in RADII]
    return float(RADII[pure][-1]) if any(pure) else float(RADII[0])


def _add_degrees(degrees: IntArray, unit: FloatArray, rows: Rows, cosine: float, step: int) -> None:
    """Add `step` to every row's degree for each of `rows` in its ball."""
    height = _block_height(unit)
    for start in range(0, len(rows), height):
        block = unit[rows[start : start + height]]
        degrees += step * np.count_nonzero(unit @ block.T >= cosine, axis=1)


def _cosine_of_radius(radius: float) -> float:
    return 1.0 - radius**2 / 2.0


def _normalised(features: FloatArray) -> npt.NDArray[np.float64]:
    norms = np.linalg.norm(features, axis=1, keepdims=True).astype(np.float64)
    return features / np.where(norms > 0, norms, 1.0)


def _block_height(unit: FloatArray) -> int:
    return max(1, CELLS_PER_BLOCK // len(unit))
