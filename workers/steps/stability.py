"""Agreement of successive proxies' predictions: where it is high, more labels change little.

Source: Bloodgood and Vijay-Shanker (CoNLL 2009): Cohen's kappa of two models' predictions on a
fixed set of unlabeled items. Their set stays the same; ours loses the items that were labeled, and
others of the same uniform order follow.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.domain.agreement import cohen_kappa
from selection.arrays import IntArray

SAMPLE_SIZE = 2000  # as in the paper


@dataclass(frozen=True)
class PoolSample:
    """A proxy's classes of a uniform sample of the unlabeled pool.

    Attributes:
        index: pool indices, ascending, [k].
        classes: most probable class of each, [k].
    """

    index: IntArray
    classes: IntArray


def sample_rows(pool_index: IntArray, n_pool: int, rng: np.random.Generator) -> IntArray:
    """Return the rows of `pool_index` that belong to the sample, ascending.

    Each item has a random key; the SAMPLE_SIZE lowest keys of those at hand are the sample. So an
    item stays in it until it is labeled, and added items join with the chance of all others.

    Args:
        pool_index: items at hand, ascending.
        n_pool: items of the pool split, labeled ones included.
        rng: gives item i the same key in every round: the same stream each time.
    """
    keys = rng.random(n_pool)[pool_index]
    if len(keys) <= SAMPLE_SIZE:
        return np.arange(len(keys))
    return np.sort(np.argpartition(keys, SAMPLE_SIZE)[:SAMPLE_SIZE])


def agreement(before: PoolSample, now: PoolSample) -> dict[str, Any]:
    """Return {n, agreement, kappa} over the items of both samples; {} if they share none.

    `kappa` is None where both predict one and the same class throughout: it is not defined, and
    such proxies have learned nothing yet.
    """
    _, rows_before, rows_now = np.intersect1d(
        before.index, now.index, assume_unique=True, return_indices=True
    )
    n = len(rows_now)
    if n == 0:
        return {}
    one, two = before.classes[rows_before], now.classes[rows_now]
    agreed = float((one == two).mean())
    kappa = cohen_kappa(Counter(zip(one.tolist(), two.tolist(), strict=True)))
    return {"n": n, "agreement": agreed, "kappa": kappa}
