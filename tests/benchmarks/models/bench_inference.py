"""Probabilities and features of a pool against the same network through a DataLoader.

    cd tests/benchmarks/models
    SVP_DATA_DIR=... python bench_inference.py --out ../../../docs/results/models/inference.json

preact20 on images of CIFAR10's training set; both sides give the same numbers (checked), that in
bf16, as a model of the `fast` recipe is scored where the CPU has it, to bf16's rounding.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[3]))  # also runs where the package is not installed

from models.catalog import resolve_setup
from models.data.arrays import Images
from models.data.labeled import LabeledSet
from models.data.readers import read_cifar10
from models.networks.build import build
from models.predict import predict
from models.training.train import train
from tests.benchmarks.models.published_loop import PilImages, score, without_normalisation
from tests.benchmarks.rivals import Rival, compare, write_result


def main() -> None:
    """Print medians, spread and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--cpu-time", action="store_true", help="for a machine that others use")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    clock = time.process_time if args.cpu_time else time.perf_counter
    cifar = read_cifar10(Path(os.environ["SVP_DATA_DIR"]) / "cifar-10-batches-py").train
    pool = cifar.take(np.arange(args.items))
    assert isinstance(pool.content, Images)
    images = pool.content
    taught = LabeledSet(images.take(np.arange(512)), pool.labels[:512], 10)
    trained = train(resolve_setup("preact20", {"epochs": 1}), taught, 0)
    loaded = PilImages(images.pixels, pool.labels, 0, flip=False)
    network = trained.network
    mean, deviation = network.get_buffer("mean"), network.get_buffer("deviation")
    loaded.mean, loaded.deviation = mean[0] / 255, deviation[0] / 255
    plain = build("preact20", 10, trained.recipe, trained.spec)
    plain.load_state_dict(network.state_dict())
    published = without_normalisation(plain)
    few = PilImages(images.pixels[:256], pool.labels[:256], 0, flip=False)
    few.mean, few.deviation = loaded.mean, loaded.deviation
    ours = predict(trained, images.take(np.arange(256)), with_features=True)
    assert ours.features is not None
    for a, b in zip(score(published, few), (ours.probs, ours.features), strict=True):
        np.testing.assert_allclose(a.numpy(), b, atol=1e-4, rtol=1e-3)
    halved = trained.with_recipe(trained.recipe.with_overrides({"precision": "bf16"}))
    outcomes = compare(
        Rival("DataLoader", lambda: score(published, loaded)),
        [
            Rival("ours", lambda: predict(trained, images, with_features=True)),
            Rival("ours, bf16", lambda: predict(halved, images, with_features=True)),
        ],
        args.repeats,
        clock,
    )
    write_result(args.out, vars(args), {"preact20, probabilities and features": outcomes})


if __name__ == "__main__":
    main()
