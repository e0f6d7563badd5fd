"""Greedy k-centers in shards, a process and a core each, against one run: same picks, seconds.

    python -m tests.benchmarks.selection.bench_shards --input cifar10 --out shards.json

The exchange is a local socket to a hub in this process: every message passes through it, so a
step costs what it costs on one machine; a network adds its latency.
"""

import argparse
import multiprocessing
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from selection.arrays import FloatArray, Scores
from selection.k_centers.greedy import greedy_k_centers
from selection.k_centers.sharded import ShardGroup, sharded_k_centers
from tests.benchmarks.rivals import Measured, Rival, compare, write_result
from tests.benchmarks.selection.make_features import CACHE, N_LABELED


def serve_shard(hub: Connection, features_file: Path, rank: int, n_shards: int) -> None:
    """Select whenever the hub names a budget: answer with the picks."""
    import numba  # noqa: PLC0415 - before the first compiled call of this process

    numba.set_num_threads(max(1, numba.get_num_threads() // n_shards))
    features = np.load(features_file)
    shard = np.array_split(features[N_LABELED:], n_shards)[rank]

    def exchange(message: Scores) -> Scores:
        hub.send_bytes(message.tobytes())
        return np.frombuffer(hub.recv_bytes()).reshape(n_shards, -1)

    rng = np.random.default_rng(0)
    while budget := hub.recv():
        rows, _ = sharded_k_centers(
            shard, features[:N_LABELED], budget, rng, ShardGroup(rank, exchange)
        )
        hub.send_bytes(b"")
        hub.send(rows)


class ShardedRun:
    """Shards in processes of their own, and the hub between them."""

    def __init__(self, features_file: Path, n_shards: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._shards: list[Connection] = []
        for rank in range(n_shards):
            ours, theirs = context.Pipe()
            arguments = (theirs, features_file, rank, n_shards)
            context.Process(target=serve_shard, args=arguments, daemon=True).start()
            self._shards.append(ours)

    def select(self, budget: int) -> npt.NDArray[np.int64]:
        """Return the picks, rows of the pool: hand all messages to all until the shards end."""
        for shard in self._shards:
            shard.send(budget)
        while True:
            messages = [shard.recv_bytes() for shard in self._shards]
            if not messages[0]:
                break
            for shard in self._shards:
                shard.send_bytes(b"".join(messages))
        found: list[npt.NDArray[np.int64]] = [shard.recv() for shard in self._shards]
        assert all((rows == found[0]).all() for rows in found)
        return found[0]

    def close(self) -> None:
        """End the shards."""
        for shard in self._shards:
            shard.send(0)


def measure(features_file: Path, n_shards: int, budget: int, repeats: int) -> tuple[Any, Any]:
    """Return (outcomes, whether the picks are the same)."""
    features: FloatArray = np.load(features_file)
    labeled, pool = features[:N_LABELED], features[N_LABELED:]
    sharded, picks = ShardedRun(features_file, n_shards), {}

    def single() -> None:
        picks["single"] = greedy_k_centers(pool, labeled, budget, np.random.default_rng(0))[0]

    def in_shards() -> Measured:
        started = time.perf_counter()
        picks["shards"] = sharded.select(budget)
        return Measured(time.perf_counter() - started)

    outcomes = compare(Rival("one run", single), [Rival(f"{n_shards} shards", in_shards)], repeats)
    sharded.close()
    is_same = bool((picks["single"] == picks["shards"]).all())
    print(f"same picks: {is_same}", flush=True)
    return outcomes, {"same_picks": is_same}


def main() -> None:
    """Print medians, spread, ratio and whether the picks are the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", default="cifar10")
    parser.add_argument("--budget", type=int, default=24_000)
    parser.add_argument("--shards", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    results, notes = {}, {}
    for n_shards in args.shards:
        name = f"{n_shards} shards"
        found = measure(CACHE / f"{args.input}.npy", n_shards, args.budget, args.repeats)
        results[name], notes[name] = found
    write_result(args.out, vars(args), results, notes)


if __name__ == "__main__":
    main()
