"""An epoch of training against the DataLoader loop of the published code, and what counting costs.

    cd tests/benchmarks/models
    SVP_DATA_DIR=... python bench_training.py --out ../../../docs/results/models/training.json

CIFAR10 (preact20) and scikit-learn's digits (preact8, preact20). Both sides train the same network
from fresh weights for one epoch in turns; "bf16" is the precision of the `fast` recipes, where the
CPU has it.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[3]))  # also runs where the package is not installed

from models.catalog import ModelSetup, resolve_recipe
from models.data.arrays import Images
from models.data.labeled import LabeledSet
from models.data.readers import Part, read_cifar10, read_digits
from models.networks.build import fresh_network
from models.recipe import Recipe
from models.training.train import train
from tests.benchmarks.models.published_loop import PilImages, train_epoch, without_normalisation
from tests.benchmarks.rivals import Outcome, Rival, compare, write_result

MFLOP_FORWARD = {"preact20": 82}  # of a 32 x 32 image; a training step takes three times as much


def against_the_published_loop(
    model: str,
    part: Part,
    repeats: int,
    clock: Callable[[], float],
    *,
    with_counting: bool = False,
) -> list[Outcome]:
    """Return outcomes of one epoch; the published loop is the peer."""
    assert isinstance(part.content, Images)
    images, labels = part.content, part.labels
    n_classes = int(labels.max()) + 1
    recipe = resolve_recipe(model, {"epochs": 1, "learning_rate": 0.1})
    loaded = PilImages(images.pixels, labels, recipe.crop_padding, flip=recipe.horizontal_flip)

    def published() -> None:
        network = without_normalisation(fresh_network(ModelSetup(model, recipe), images, n_classes))
        train_epoch(network, loaded, recipe)

    halved = recipe.with_overrides({"precision": "bf16"})

    def ours(recipe: Recipe = recipe, *, count_forgetting: bool = False) -> None:
        train(
            ModelSetup(model, recipe),
            LabeledSet(images, labels, n_classes),
            0,
            count_forgetting=count_forgetting,
        )

    rivals = [Rival(f"{model}, ours", ours), Rival(f"{model}, ours, bf16", lambda: ours(halved))]
    if with_counting:
        name = f"{model}, ours, counting forgetting"
        rivals.append(Rival(name, lambda: ours(count_forgetting=True)))
    return compare(Rival(f"{model}, published loop", published), rivals, repeats, clock)


def matrix_gigaflops(clock: Callable[[], float]) -> float:
    """Return the best of ten float32 products of 2048 x 2048."""
    a, seconds = torch.randn(2048, 2048), []
    for _ in range(10):
        started = clock()
        a @ a
        seconds.append(clock() - started)
    return 2 * 2048**3 / min(seconds) / 1e9


def main() -> None:
    """Print medians, spread and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1280)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--cpu-time", action="store_true", help="for a machine that others use")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    clock = time.process_time if args.cpu_time else time.perf_counter
    cifar = read_cifar10(Path(os.environ["SVP_DATA_DIR"]) / "cifar-10-batches-py").train
    rows = torch.randperm(len(cifar), generator=torch.Generator().manual_seed(0))
    part, digits = cifar.take(rows[: args.items].numpy()), read_digits().train
    peak = matrix_gigaflops(clock)
    results = {
        "digits, preact8": against_the_published_loop("preact8", digits, args.repeats, clock),
        "digits, preact20": against_the_published_loop("preact20", digits, args.repeats, clock),
        "CIFAR10, preact20": against_the_published_loop(
            "preact20", part, args.repeats, clock, with_counting=True
        ),
    }
    rate = args.items / results["CIFAR10, preact20"][1].seconds
    share = rate * 3 * MFLOP_FORWARD["preact20"] / 1e3 / peak
    facts = {"matrix_gigaflops": peak, "preact20_images_per_second": rate, "share_of_peak": share}
    print(facts)
    write_result(args.out, {**vars(args), **facts}, results)


if __name__ == "__main__":
    main()
