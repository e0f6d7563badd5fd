"""Threads of a training and of scoring: one against all cores, alone and beside a busy process.

    python -m tests.benchmarks.models.bench_threads --out docs/results/models/threads.json

Every pair is measured in turn within one run, and the ratio of the medians is given with its
spread (the quartiles of the ratios of neighbouring runs). `rule` is what the product chooses.

- steps: seconds of training epochs and of scoring with one thread and with all.
- neighbours: a training or a selection alone, beside one busy process, and beside the same work;
  each with threads that wait passively, as the product lets them, and actively, as OpenMP does by
  default.

Each case is stored once it is measured; `--only` and `--case` measure some and keep the others of
the file.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

CASES = {
    "preact20, 64 of 8 x 8": ("preact20", 64, 8, 20),
    "preact20, 128 of 8 x 8": ("preact20", 128, 8, 10),
    "preact20, 32 of 16 x 16": ("preact20", 32, 16, 20),
    "preact20, 64 of 16 x 16": ("preact20", 64, 16, 10),
    "preact20, 128 of 16 x 16": ("preact20", 128, 16, 6),
    "preact20, 32 of 32 x 32": ("preact20", 32, 32, 8),
    "preact20, 128 of 32 x 32": ("preact20", 128, 32, 3),
    "preact8, 32 of 8 x 8": ("preact8", 32, 8, 40),
    "preact8, 128 of 16 x 16": ("preact8", 128, 16, 10),
    "preact8, 64 of 32 x 32": ("preact8", 64, 32, 6),
}
WAITING = {
    "passive": {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"},
    "active": {"OMP_WAIT_POLICY": "ACTIVE"},
}
SELECTIONS = {  # items, dimensions, budget
    "k-centers, 200,000 x 64": (200_000, 64, 10_000),
    "facility location, 20,000 x 64": (20_000, 64, 500),
}
NEIGHBOURS = ("preact20, 64 of 8 x 8", "preact20, 32 of 32 x 32", *SELECTIONS)
N_CLASSES = 10
BUSY = "while True: pass"


def timed(work: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ratio(over: list[float], under: list[float]) -> dict[str, float]:
    """Return the ratio of medians, and the quartiles of the ratios of neighbouring runs."""
    low, _, high = statistics.quantiles([a / b for a, b in zip(over, under, strict=True)], n=4)
    found = statistics.median(over) / statistics.median(under)
    return {"ratio": round(found, 3), "low": round(low, 3), "high": round(high, 3)}


def steps(runs: int) -> dict[str, Any]:
    """Measure one thread against all cores for each case."""
    import joblib  # noqa: PLC0415 - torch reads the environment when it is imported
    import torch  # noqa: PLC0415

    from models.networks import threads  # noqa: PLC0415
    from models.predict import predict, suitable_minibatch  # noqa: PLC0415

    n_cores, found = joblib.cpu_count(), {}
    for name, case in CASES.items():
        run, images = training(*case)
        trained = run.trained()
        scored = suitable_minibatch(images.spec, "cpu")
        work: dict[str, tuple[float, Callable[[], object]]] = {
            "training": (
                threads.training_flops(run.network, images, run.recipe.minibatch),
                partial(run.train_epoch, None),
            ),
            "scoring": (
                threads.scoring_flops(run.network, images, scored),
                partial(predict, trained, images),
            ),
        }
        for part, (flops, compute) in work.items():
            seconds: dict[int, list[float]] = {1: [], n_cores: []}
            for i in range(runs + 1):
                for n, kept in seconds.items():
                    threads.fix_threads(n)
                    took = timed(compute)
                    if i:  # the first warms up
                        kept.append(took)
            found[f"{part}: {name}"] = {
                "gflops": round(flops / 1e9, 2),
                "rule": 1 if flops < threads.SMALLEST_SHARED_FLOPS else n_cores,
                "one_over_all": ratio(seconds[1], seconds[n_cores]),
            }
            print(f"{part}: {name}", found[f"{part}: {name}"], flush=True)
    torch.set_num_threads(n_cores)
    return found


def training(model: str, minibatch: int, side: int, n_steps: int) -> tuple[Any, Any]:
    """Return a training run and its images."""
    from models.catalog import ModelSetup  # noqa: PLC0415
    from models.data.arrays import Images  # noqa: PLC0415
    from models.data.labeled import LabeledSet  # noqa: PLC0415
    from models.recipes import CIFAR_PAPER  # noqa: PLC0415
    from models.training.run import TrainingRun  # noqa: PLC0415

    rng = np.random.default_rng(0)
    pixels: npt.NDArray[np.uint8]
    pixels = rng.integers(0, 256, (minibatch * n_steps, side, side, 3), dtype=np.uint8)
    images, labels = Images(pixels), rng.integers(0, N_CLASSES, len(pixels))
    setup = ModelSetup(model, replace(CIFAR_PAPER, minibatch=minibatch))
    return TrainingRun(setup, LabeledSet(images, labels, N_CLASSES), 1, device="cpu"), images


def select_once(case: str) -> None:
    """Select as a job does, for `neighbours`; print the seconds without the start."""
    from selection.facility_location import facility_location  # noqa: PLC0415
    from selection.k_centers.greedy import greedy_k_centers  # noqa: PLC0415

    n, d, budget = SELECTIONS[case]
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n, d)).astype(np.float32)
    select: Callable[..., object] = facility_location
    if case.startswith("k-centers"):
        select = partial(greedy_k_centers, rng=rng)
    select(features[:1000], features[:10], 20)  # compiles
    print(timed(lambda: select(features, features[:100], budget)))


def train_once(case: str, n_epochs: int) -> None:
    """Train as a job does, for `neighbours`; print the seconds without the start."""
    run, _ = training(*CASES[case])
    with run.suitable_threads():
        run.train_epoch(None)
        print(timed(lambda: [run.train_epoch(None) for _ in range(n_epochs)]))


def neighbours(case: str, n_epochs: int, runs: int) -> dict[str, Any]:
    """Measure a training alone, beside a busy process and beside itself, in turn."""
    found = {}
    command = [sys.executable, "-m", "tests.benchmarks.models.bench_threads"]
    command += ["--once", case, "--epochs", str(n_epochs)]
    for waiting, variables in WAITING.items():
        environment = {**os.environ, **variables}
        if waiting == "active":
            environment.pop("GOMP_SPINCOUNT", None)
        seconds: dict[str, list[float]] = {"alone": [], "busy": [], "twice": []}
        for _ in range(runs):
            seconds["alone"].append(_together(command, environment, 1)[0])
            busy = subprocess.Popen([sys.executable, "-c", BUSY])
            seconds["busy"].append(_together(command, environment, 1)[0])
            busy.kill()
            busy.wait()
            seconds["twice"].append(max(_together(command, environment, 2)))
        found[waiting] = {
            "alone_seconds": round(statistics.median(seconds["alone"]), 3),
            "beside_a_busy_process": ratio(seconds["busy"], seconds["alone"]),
            "two_at_once": ratio(seconds["twice"], seconds["alone"]),
        }
        print(case, waiting, found[waiting], flush=True)
    return found


def _together(command: list[str], environment: dict[str, str], n: int) -> list[float]:
    started = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(n)
    ]
    return [float(process.communicate()[0]) for process in started]


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--once", choices=[*CASES, *SELECTIONS], help="what `neighbours` starts")
    parser.add_argument("--only", choices=["steps", "neighbours"])
    parser.add_argument("--case", choices=NEIGHBOURS, action="append", help="of the neighbours")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.once in SELECTIONS:
        select_once(given.once)
        return
    if given.once:
        train_once(given.once, given.epochs)
        return
    os.environ.update(WAITING["passive"])
    found = _stored(given.out) | {
        "command": "python -m tests.benchmarks.models.bench_threads",
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
    }
    if given.only != "neighbours":
        found["steps"] = steps(given.runs)
        _store(given.out, found)
    if given.only != "steps":
        for case in given.case or NEIGHBOURS:
            measured = neighbours(case, given.epochs, given.runs)
            found.setdefault("neighbours", {})[case] = measured
            _store(given.out, found)


def _stored(out: Path | None) -> dict[str, Any]:
    return dict(json.loads(out.read_text())) if out is not None and out.exists() else {}


def _store(out: Path | None, found: dict[str, Any]) -> None:
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
