"""Exact greedy k-centers of a memory-mapped file at ImageNet's size: seconds and memory.

    python -m tests.benchmarks.selection.bench_k_centers_large --budget 128000 --out large.json

A shorter run's picks must be a prefix. Every run is a process of its own, which tells its peak of
resident memory: all of it, the pages of the mapped features among them.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from selection.k_centers.greedy import estimate_run, greedy_k_centers
from tests.benchmarks.rivals import write_result
from tests.benchmarks.selection.make_features import CACHE, N_LABELED

PREFIX_SHARE = 10


def run_once(features_file: Path, budget: int, picks_file: Path) -> dict[str, Any]:
    """Select, keep the picks, and return seconds and peak memory of this process.

    `growth_bytes` is what the selection added; a warm-up on some rows loads the compiled code.
    """
    features = np.load(features_file, mmap_mode="r")
    labeled, pool = features[:N_LABELED], features[N_LABELED:]
    rng = np.random.default_rng(0)
    estimate = estimate_run(pool, N_LABELED, budget)
    greedy_k_centers(pool[:2_000], labeled[:100], 50, rng)
    before = psutil.Process().memory_info().rss
    started = time.perf_counter()
    picks, radii = greedy_k_centers(pool, labeled, budget, rng)
    seconds = time.perf_counter() - started
    np.save(picks_file, picks)
    return {
        "budget": budget,
        "seconds": seconds,
        "peak_bytes": _peak_bytes(),
        "growth_bytes": _peak_bytes() - before,
        "features_bytes": features.nbytes,
        "last_radius": float(radii[-1]),
        "estimated_seconds": estimate.seconds,
        "estimated_seconds_at_most": estimate.seconds_at_most,
        "estimated_memory_bytes": estimate.memory_bytes,
    }


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_own_process(features_file: Path, budget: int, picks_file: Path) -> dict[str, Any]:
    """Return what `run_once` returns in a new process."""
    command = [sys.executable, "-m", "tests.benchmarks.selection.bench_k_centers_large"]
    command += ["--budget", str(budget), "--features", str(features_file), "--picks"]
    done = subprocess.run([*command, picks_file], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    print(found, flush=True)
    return found


def main() -> None:
    """Print seconds, memory and whether the shorter run's picks are a prefix."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, default=CACHE / "imagenet.npy")
    parser.add_argument("--budget", type=int, default=128_000)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--picks", type=Path, help="run once, here, and keep the picks")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.picks:
        print(json.dumps(run_once(args.features, args.budget, args.picks)))
        return
    short_file, long_file = CACHE / "picks-short.npy", CACHE / "picks-long.npy"
    short = in_own_process(args.features, args.budget // PREFIX_SHARE, short_file)
    runs = [in_own_process(args.features, args.budget, long_file) for _ in range(args.repeats)]
    picks = np.load(short_file)
    is_prefix = bool((np.load(long_file)[: len(picks)] == picks).all())
    print(f"shorter run's picks are a prefix: {is_prefix}")
    write_result(args.out, vars(args), {}, {"short": short, "runs": runs, "is_prefix": is_prefix})


if __name__ == "__main__":
    main()
