"""Measures in about 12 minutes what one GPU does of the paper's tables, and projects the rest.

    SVP_DATA_DIR=... python3 -m tests.benchmarks.gpu.paper_scale --out "$OUT/paper_scale.json"
    python3 -m tests.benchmarks.gpu.paper_scale --device cpu --small    # tries it out

Training and scoring rates of the tables' models in bf16; CIFAR10 by least confidence to 50% of its
labels with preact20, one seed, where the data lie in SVP_DATA_DIR; k-centers on a pool as large as
ImageNet. The projection says for each table: item-epochs / rate = hours, without what the rates do
not hold: reading and encoding the data, and checkpoints. Each part is written as soon as it is
done; none is begun after --minutes.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.catalog import ModelSetup, resolve_recipe
from models.data.labeled import LabeledSet
from models.predict import predict
from models.training.timing import synchronize
from models.training.train import train
from tests.benchmarks.gpu.measure import (
    N_CLASSES,
    items_per_second,
    random_inputs,
    selection_seconds,
)
from workers.reports.paper_numbers import n_train
from workers.simulation.active_learning.config import ActiveLearningConfig
from workers.simulation.config import ExperimentConfig
from workers.simulation.data import load_data, model_inputs
from workers.simulation.kinds import kind_of
from workers.simulation.load import bundled
from workers.steps.round import RoundInputs, RoundRequest, run_round_step
from workers.steps.training import Evaluation

# Items of a timed epoch, and side of an image.
TIMED = {
    "preact20": (50_000, 32),
    "preact164": (10_000, 32),
    "preact110": (10_000, 32),
    "preact56": (20_000, 32),
    "resnet18": (5_000, 224),
    "resnet50": (3_000, 224),
    "vdcnn9": (10_000, 0),
    "vdcnn29": (5_000, 0),
}
ROUNDS_OF = "cifar10-least-confidence"
HOUR = 3600


def rates(model: str, n: int, side: int, device: str) -> dict[str, float]:
    """Return items/s of training epochs after the first, and of scoring a pool."""
    recipe = resolve_recipe(model, {"precision": "bf16", "epochs": 3, "learning_rate": 0.01})
    inputs, labels = random_inputs(model, recipe, n, side), np.arange(n) % N_CLASSES
    trained_per_second = items_per_second(model, recipe, inputs, labels, device, count=False)
    once = recipe.with_overrides({"epochs": 1})
    few = LabeledSet(inputs.take(np.arange(min(n, 512))), labels[:512], N_CLASSES)
    trained = train(ModelSetup(model, once), few, 0, device=device)
    predict(trained, inputs.take(np.arange(min(n, 512))), device=device)  # warm-up
    started = time.perf_counter()
    predict(trained, inputs, device=device, with_features=True)
    synchronize(device)
    return {
        "training_items_per_second": trained_per_second,
        "scoring_items_per_second": n / (time.perf_counter() - started),
    }


def rounds_of_cifar10(device: str, *, small: bool) -> dict[str, Any]:
    """Return seconds and the proxy's error of each round of preact20 to 50% of CIFAR10's labels."""
    experiment = bundled()[ROUNDS_OF]
    assert isinstance(experiment, ActiveLearningConfig)
    if small:
        experiment = _shrunk(experiment)
    changes = {"precision": "bf16"} | ({"epochs": 1} if small else {})
    setup = ModelSetup("preact20", resolve_recipe("preact20", {"name": "paper", **changes}))
    data = load_data(experiment.data, 1)
    pool, evaluation = model_inputs(data.pool, setup), model_inputs(data.evaluation, setup)
    labeled, rounds = np.empty(0, np.int64), []
    for number, wanted in enumerate(experiment.budgets.points()):
        index = np.sort(labeled)
        inputs = RoundInputs(
            pool, index, data.pool.labels[index], index, len(data.classes), wanted - len(labeled),
            evaluation=Evaluation(evaluation, data.evaluation.labels),
        )  # fmt: skip
        strategy = experiment.strategy if number else "uniform"
        request = RoundRequest(strategy, setup, seed=1, number=number, trains=number > 0)
        result = run_round_step(inputs, request, device=device)
        labeled = np.concatenate([labeled, result.ranked_index])
        error = 1 - result.metrics["accuracy"] if result.metrics else None
        rounds.append({"n_labeled_before": len(index), "seconds": result.seconds.wall,
                       "proxy_error": error})  # fmt: skip
    return {"recipe": setup.recipe.to_json(), "data": data.title, "rounds": rounds}


def projection(measured: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Return each paper-scale experiment's hours with their arithmetic, all seeds."""
    return {
        name: _hours(experiment, measured)
        for name, experiment in bundled().items()
        if experiment.paper and experiment.paper.table and not name.endswith("-small")
    }


def _hours(experiment: ExperimentConfig, measured: dict[str, dict[str, float]]) -> dict[str, Any]:
    assert experiment.paper is not None
    n_pool = experiment.data.n_pool or n_train(experiment.paper.dataset)
    kind, seeds = kind_of(experiment), len(experiment.seeds)
    hours, arithmetic, unknown = 0.0, [], set()
    for unit in kind.units(experiment):
        for name, n_items in kind.item_epochs(experiment, unit, n_pool).items():
            model = experiment.models[name].model
            rate = measured.get(model, {}).get("training_items_per_second")
            if rate is None:
                unknown.add(model)
                continue
            hours += seeds * n_items / rate / HOUR
            arithmetic.append(
                f"{unit}: {seeds} seeds x {n_items:,} items of {model} / {rate:,.0f} per second = "
                f"{seeds * n_items / rate / HOUR:.2f} h"
            )
    table = experiment.paper.table
    return {
        "table": table, "hours": hours, "arithmetic": arithmetic, "not_measured": sorted(unknown),
    }  # fmt: skip


def _shrunk(experiment: ActiveLearningConfig) -> ActiveLearningConfig:
    data = experiment.data.model_copy(update={"n_pool": 300, "n_evaluation": 100})
    sizes = {"initial_budget": 20, "first_round_budget": 20, "round_budget": 20, "total_budget": 60}
    budgets = experiment.budgets.model_copy(update=sizes)
    return experiment.model_copy(update={"data": data, "budgets": budgets})


def parts(
    device: str, report: dict[str, Any], *, small: bool
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the name of each measurement and what makes it, the most wanted first."""
    for model, (n, side) in TIMED.items():
        n, side = (16, min(side, 32)) if small else (n, side)  # noqa: PLW2901
        yield f"rates {model}", partial(rates, model, n, side, device)
    if "SVP_DATA_DIR" in os.environ:
        yield "CIFAR10 to 50%", partial(rounds_of_cifar10, device, small=small)
    n, width = (2000, 32) if small else (1_280_000, 512)
    yield f"k-centers {n} x {width}", partial(selection_seconds, n, width, device)
    found = {
        name.removeprefix("rates "): value
        for name, value in report.items()
        if name.startswith("rates ") and "failed" not in value
    }
    yield "projection", partial(projection, found)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to try the script")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    began = time.monotonic()
    report: dict[str, Any] = {
        "command": "tests.benchmarks.gpu.paper_scale",
        "date": time.strftime("%Y-%m-%d"),
        "device": torch.cuda.get_device_name() if given.device.startswith("cuda") else "cpu",
        "torch": torch.__version__,
        "small": given.small,
    }
    for name, measure in parts(given.device, report, small=given.small):
        if time.monotonic() - began > 60 * given.minutes and name != "projection":
            report[name] = {"failed": "the time was up"}
            continue
        try:
            report[name] = measure()
        except (RuntimeError, ValueError, MemoryError) as error:
            report[name] = {"failed": f"{type(error).__name__}: {error}"}
        print(name, json.dumps(report[name]), flush=True)
        if given.out:
            given.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
