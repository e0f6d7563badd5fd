"""What a GPU gives: training and scoring of each image network on it and on the CPU, side by side.

    python3 -m tests.benchmarks.gpu.measure --out "$OUT/gpu.json"
    python3 -m tests.benchmarks.gpu.measure --device cpu --items 64 --repeats 2   # without a GPU

Needs torch, numpy and safetensors only. Random images: it measures time, not error. The first of
the repeats warms up and is left out; medians and their spread are printed.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch

from models.catalog import resolve_recipe
from models.data.arrays import Images
from models.predict import predict
from models.timing import Stopwatch
from models.train import train

MODELS = ("preact8", "preact20", "preact56")


def measure(model: str, device: str, n: int, repeats: int) -> dict[str, float]:
    """Return median microseconds per image of one training epoch and of scoring, and spreads."""
    rng = np.random.default_rng(0)
    images = Images(rng.integers(0, 256, (n, 32, 32, 3)).astype(np.uint8))
    labels = rng.integers(0, 10, n).astype(np.int64)
    recipe = resolve_recipe(model, {"epochs": 1})
    training, scoring = [], []
    for _ in range(repeats):
        watch = Stopwatch(device)
        with watch.part("training"):
            trained = train(model, recipe, images, labels, 10, 0, device=device)
        with watch.part("scoring"):
            predict(trained, images, device=device)
        training.append(1e6 * watch.seconds["training"] / n)
        scoring.append(1e6 * watch.seconds["scoring"] / n)
    found = {}
    for name, values in (("training", training[1:]), ("scoring", scoring[1:])):
        found[f"{name}_us"] = median(values)
        found[f"{name}_us_spread"] = max(values) - min(values)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--cpu-items", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    is_gpu = given.device.startswith("cuda")
    results = {}
    for model in MODELS:
        found = {given.device: measure(model, given.device, given.items, given.repeats)}
        if is_gpu:
            found["cpu"] = measure(model, "cpu", given.cpu_items, 3)
            for part in ("training_us", "scoring_us"):
                ratio = found["cpu"][part] / found[given.device][part]
                print(f"{model} {part.removesuffix('_us')}: {ratio:.1f} times the CPU")
        results[model] = found
        print(model, json.dumps(found))
    report = {
        "command": "tests.benchmarks.gpu.measure",
        "date": time.strftime("%Y-%m-%d"),
        "device": torch.cuda.get_device_name() if is_gpu else "cpu",
        "torch": torch.__version__,
        "items": given.items,
        "results": results,
    }
    if given.out:
        given.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
