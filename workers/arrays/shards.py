"""Selections from a pool in shards, one per process of torchrun, on one machine or many."""

import os
from collections.abc import Callable

import numpy as np
import torch
import torch.distributed as dist

from selection.arrays import FloatArray, Rows, Scores
from selection.k_centers.sharded import ShardGroup
from selection.types import Ranking, Signals

ShardedRanker = Callable[
    [FloatArray, FloatArray | None, int, np.random.Generator, ShardGroup], tuple[Rows, Scores]
]
"""Ranks a pool in shards, as `selection.k_centers.sharded.sharded_k_centers`."""


def select_in_shards(
    ranker: ShardedRanker,
    open_shard: Callable[[int], FloatArray],
    labeled_features: FloatArray | None,
    budget: int,
    rng: np.random.Generator,
) -> Ranking:
    """Return the ranking of the whole pool; the same in every process.

    Args:
        ranker: the strategy's, for shards.
        open_shard: gives the features of a rank's shard, [n_shard, d]; the pool is the shards'
            rows in the order of the ranks.
        labeled_features: the first centres, [m, d]: the same in every process.
        budget: b.
        rng: in the same state in every process.

    Raises:
        SelectionError: a shard's features do not fit, or the budget is outside 0..n.
    """
    rank = int(os.environ["RANK"])
    features = open_shard(rank)
    Signals(len(features), features=features, labeled_features=labeled_features)  # checks them
    dist.init_process_group("gloo")
    try:
        return Ranking(
            *ranker(features, labeled_features, budget, rng, ShardGroup(rank, _all_gather))
        )
    finally:
        dist.destroy_process_group()


def _all_gather(message: Scores) -> Scores:
    mine = torch.from_numpy(np.ascontiguousarray(message))
    messages = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(messages, mine)
    return torch.stack(messages).numpy()
