"""ProbCover: items whose surroundings cover most of the pool, for the first batches.

Source: Yehuda et al., "Active Learning Through a Covering Lens" (2022), algorithm 1 and section
3.2: balls of radius delta in normalised feature space, delta the largest radius whose balls are
pure in pseudo-labels. The graph of the balls is never stored: memory is O(n).
"""

import numpy as np

from selection.arrays import FloatArray, IntArray, Rows, Scores
from selection.clusters import cluster, unit_rows
from selection.types import Ranking, Signals, given

PURITY = 0.95
N_SAMPLED = 2000  # balls that the radius is measured on
RADII = np.arange(0.05, 1.45, 0.05)
CELLS_PER_BLOCK = 1 << 24  # of similarities: 128 MiB


def rank(signals: Signals, budget: int, rng: np.random.Generator) -> Ranking:
    """Return the ranking by `probcover`; the columns of probabilities tell how many classes."""
    n_classes = None if signals.probs is None else signals.probs.shape[1]
    features, labeled = given(signals.features), signals.labeled_features
    return Ranking(*probcover(features, labeled, budget, rng, n_classes))


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
    unit = unit_rows(features)
    wanted = n_classes or int(np.clip(np.sqrt(len(unit) / 2), 2, 50))
    cosine = _cosine_of_radius(covering_radius(unit, wanted, rng))
    is_covered = np.zeros(len(unit), bool)
    if labeled_features is not None:
        height, labeled = _block_height(unit), unit_rows(labeled_features)
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

    The share is that of N_SAMPLED drawn balls; each is measured against all n rows.

    Args:
        unit: features of length 1, [n, d].
        n_classes: pseudo-labels: k-means clusters.
        rng: seeds them and draws the balls that are measured.
    """
    labels = cluster(unit, n_classes, rng)
    # The sampled balls stay pure up to their nearest row of another pseudo-label, among all rows.
    sampled = rng.permutation(len(unit))[:N_SAMPLED]
    balls, nearest = unit[sampled], np.full(len(sampled), -1.0)
    height = max(1, CELLS_PER_BLOCK // len(sampled))
    for start in range(0, len(unit), height):
        cosines = balls @ unit[start : start + height].T
        is_same = labels[sampled][:, None] == labels[start : start + height]
        np.maximum(nearest, np.where(is_same, -1.0, cosines).max(axis=1), out=nearest)
    distances = np.sqrt(np.maximum(2.0 - 2.0 * nearest, 0.0))
    pure = [(distances > radius).mean() >= PURITY for radius in RADII]
    return float(RADII[pure][-1]) if any(pure) else float(RADII[0])


def _add_degrees(degrees: IntArray, unit: FloatArray, rows: Rows, cosine: float, step: int) -> None:
    """Add `step` to every row's degree for each of `rows` in its ball."""
    height = _block_height(unit)
    for start in range(0, len(rows), height):
        block = unit[rows[start : start + height]]
        degrees += step * np.count_nonzero(unit @ block.T >= cosine, axis=1)


def _cosine_of_radius(radius: float) -> float:
    return 1.0 - radius**2 / 2.0


def _block_height(unit: FloatArray) -> int:
    return max(1, CELLS_PER_BLOCK // len(unit))
