"""The fast recipe against the paper's: error of the last epoch, and seconds, by epochs.

    cd tests/benchmarks/models
    SVP_DATA_DIR=... python bench_recipes.py --out ../../../docs/results/models/recipes.json

    SVP_DATA_DIR=... python bench_recipes.py --model fasttext --data ag_news --items 12000 \
        --arms paper:5 fast:3 fast:4 fast:5 --out ../../../docs/results/models/recipes_fasttext.json

Each arm is RECIPE:EPOCHS, trained on the same drawn items, seed by seed; the file is written after
every training, so that an interrupted run still says what it measured.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[3]))  # also runs where the package is not installed

from models.catalog import ModelSetup, resolve_recipe
from models.data.labeled import LabeledSet
from models.data.readers import RawDataSet, read_cifar10, read_zhang_csv
from models.predict import accuracy, predict
from models.training.train import train
from tests.benchmarks.rivals import machine
from workers.simulation.data import model_inputs

READERS = {
    "cifar10": ("cifar-10-batches-py", read_cifar10),
    "ag_news": ("ag_news_csv", read_zhang_csv),
}


def measure(arm: str, seed: int, data: RawDataSet, args: argparse.Namespace) -> dict[str, Any]:
    """Return error and seconds of one training."""
    name, epochs = arm.split(":")
    rows = np.random.default_rng(seed).permutation(len(data.train))[: args.items]
    part = data.train.take(rows)
    recipe = resolve_recipe(args.model, {"name": name, "epochs": int(epochs)})
    inputs, test = (model_inputs(p, ModelSetup(args.model, recipe)) for p in (part, data.test))
    started = time.perf_counter()
    trained = train(
        ModelSetup(args.model, recipe),
        LabeledSet(inputs, part.labels, len(data.classes)),
        seed,
        device=args.device,
    )
    seconds = time.perf_counter() - started
    probs = predict(trained, test, device=args.device).probs
    return {
        "arm": arm,
        "seed": seed,
        "recipe_hash": recipe.hash,
        "error": 1 - accuracy(probs, data.test.labels),
        "training_loss": trained.final_loss,
        "seconds": seconds,
    }


def write(out: Path | None, args: argparse.Namespace, runs: list[dict[str, Any]]) -> None:
    """Print each arm's mean error and write all runs, if a file is named."""
    errors = {arm: [r["error"] for r in runs if r["arm"] == arm] for arm in args.arms}
    summary = {
        arm: {"mean_error": statistics.mean(e), "std": statistics.pstdev(e), "runs": len(e)}
        for arm, e in errors.items()
        if e
    }
    print(json.dumps(summary, indent=1), flush=True)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        arguments = {name: str(value) for name, value in vars(args).items()}
        facts = {"machine": machine(), "arguments": arguments, "summary": summary, "runs": runs}
        out.write_text(json.dumps(facts, indent=1) + "\n")


def main() -> None:
    """Train every arm with every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="preact8")
    parser.add_argument("--data", choices=READERS, default="cifar10")
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--evaluation-items", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", default=["paper:10", "fast:10", "paper:20"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    folder, read = READERS[args.data]
    data = read(Path(os.environ["SVP_DATA_DIR"]) / folder)
    test = data.test.take(np.arange(args.evaluation_items))
    data = RawDataSet(data.train, test, data.classes)
    runs = []
    for seed in args.seeds:
        for arm in args.arms:
            runs.append(measure(arm, seed, data, args))
            write(args.out, args, runs)


if __name__ == "__main__":
    main()
