"""Measures a GPU: training against a plain eager loop and the roofline, error, selection.

    python3 -m tests.benchmarks.gpu.measure --out "$OUT/gpu.json"  # random inputs, k-centers
    SVP_DATA_DIR=... python3 -m tests.benchmarks.gpu.measure --only error    # CIFAR10
    python3 -m tests.benchmarks.gpu.measure --device cpu --small             # tries it out

Each part is written as soon as it is done, so that a run cut short leaves what it has.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from models.catalog import Encoding, ModelSetup, find_model, resolve_recipe
from models.data.arrays import Images, Inputs, Texts
from models.data.encoders import text_encoder
from models.data.labeled import LabeledSet
from models.data.readers import read_cifar10
from models.networks.build import fresh_network
from models.networks.network import to_tensors
from models.predict import accuracy, predict
from models.recipe import Recipe
from models.training.timing import synchronize
from models.training.train import TrainProgress, train
from selection.k_centers.greedy import greedy_k_centers
from selection.watch import Watch
from tests.benchmarks.models.published_loop import PilImages, train_epoch, without_normalisation

# Items of an epoch, and side of an image.
TRAINED = {
    "preact20": (50_000, 32),
    "preact164": (20_000, 32),
    "resnet18": (10_000, 224),
    "resnet50": (6_000, 224),
    "vdcnn9": (20_000, 0),
    "vdcnn29": (10_000, 0),
}
ERRORS = {"preact20": 8.5, "preact164": 5.5}  # the paper's on CIFAR10, in percent
POOLS = [(1_280_000, 512), (1_280_000, 2048)]
N_CLASSES, LOADERS = 10, 8


def random_inputs(model: str, recipe: Recipe, n: int, side: int) -> Inputs:
    """Return n random images, or texts of about 500 characters."""
    rng = np.random.default_rng(0)
    encoding = find_model(model).encoding
    if encoding is Encoding.PIXELS:
        return Images(rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8))
    words = np.array(["great", "terrible", "book", "the", "was", "a", "reading", "and"])
    texts = [" ".join(row) for row in words[rng.integers(0, len(words), (n, 100))]]
    return text_encoder(encoding, recipe).encode(texts)


def items_per_second(
    model: str, recipe: Recipe, inputs: Inputs, labels: np.ndarray, device: str, *, count: bool
) -> float:
    """Return the speed of our training's epochs after the first."""
    seconds: list[float] = []

    def keep(progress: TrainProgress) -> None:
        seconds.append(progress.seconds)

    train(
        ModelSetup(model, recipe), LabeledSet(inputs, labels, N_CLASSES), 0,
        device=device, count_forgetting=count, on_progress=keep,
    )  # fmt: skip
    return len(labels) * (len(seconds) - 1) / (seconds[-1] - seconds[0])


class TextRows(torch.utils.data.Dataset[tuple[np.ndarray, int]]):
    """Texts one by one, as a DataLoader takes them."""

    def __init__(self, texts: Texts, labels: np.ndarray) -> None:
        self.texts, self.labels = texts, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
        start, stop = self.texts.offsets[row : row + 2]
        return self.texts.token_ids[start:stop].astype(np.int64), int(self.labels[row])


def collate(rows: list[tuple[np.ndarray, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Return (ids, offsets, labels) of a minibatch."""
    lengths = np.array([len(ids) for ids, _ in rows])
    ids = torch.from_numpy(np.concatenate([ids for ids, _ in rows]))
    labels = torch.tensor([label for _, label in rows])
    return ids, torch.from_numpy(np.cumsum(lengths) - lengths), labels


def plain_epoch(
    network: nn.Module, inputs: Inputs, labels: np.ndarray, recipe: Recipe, device: str
) -> None:
    """Train one epoch by the plain eager loop, in float32."""
    workers = LOADERS if device != "cpu" else 0
    if isinstance(inputs, Images):
        images = PilImages(inputs.pixels, labels, recipe.crop_padding, flip=recipe.horizontal_flip)
        train_epoch(network, images, recipe, workers=workers, device=device)
        return
    assert isinstance(inputs, Texts)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    rows = TextRows(inputs, labels)
    for minibatch in DataLoader(
        rows, recipe.minibatch, shuffle=True, num_workers=workers, collate_fn=collate
    ):
        ids, offsets, targets = (values.to(device) for values in minibatch)
        loss = nn.functional.cross_entropy(network(ids, offsets), targets)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss.item()


def training_speed(model: str, n: int, side: int, device: str, peak: float) -> dict[str, Any]:
    """Return items/s of ours, compiled or not, and of the plain loop; share of the roofline."""
    recipe = resolve_recipe(model, {"precision": "bf16", "epochs": 3, "learning_rate": 0.01})
    inputs, labels = random_inputs(model, recipe, n, side), np.arange(n) % N_CLASSES
    found: dict[str, Any] = {"items": n, "side": side}
    ways: list[tuple[str, dict[str, object], bool]] = [
        ("ours", {}, False),
        ("ours_counting_forgetting", {}, True),
    ]
    if device != "cpu":  # there it takes minutes and gains nothing
        ways.append(("ours_compiled", {"compile": True}, False))
    for name, overrides, count in ways:
        changed = recipe.with_overrides(overrides)
        found[name] = items_per_second(model, changed, inputs, labels, device, count=count)
    network = fresh_network(ModelSetup(model, recipe), inputs, N_CLASSES)
    plain: nn.Module = without_normalisation(network) if isinstance(inputs, Images) else network
    plain.to(device)
    seconds = []
    for _ in range(2):
        synchronize(device)
        started = time.perf_counter()
        plain_epoch(plain, inputs, labels, recipe, device)
        synchronize(device)
        seconds.append(time.perf_counter() - started)
    found["plain"] = n / seconds[-1]
    few = inputs.take(np.arange(min(8, n)))
    gflop = training_flop(model, recipe, few, device) / len(few) / 1e9
    best = max(found["ours"], found.get("ours_compiled", 0.0))
    found |= {
        "times_plain": best / found["plain"],
        "gflop_per_item": gflop,
        "share_of_matrix_peak": best * gflop / peak,
        "forgetting_share": found["ours"] / found["ours_counting_forgetting"] - 1,
    }
    return found


def training_flop(model: str, recipe: Recipe, inputs: Inputs, device: str) -> float:
    """Return the operations of forward and backward passes of these inputs."""
    network = fresh_network(ModelSetup(model, recipe), inputs, N_CLASSES).to(device)
    with FlopCounterMode(display=False) as counter:
        network(*to_tensors(inputs, device)).sum().backward()
    return float(counter.get_total_flops())


def matrix_gigaflops(device: str, side: int) -> float:
    """Return the best of ten bf16 (CPU: float32) products of large matrices."""
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    a, seconds = torch.randn(side, side, device=device).to(dtype), []
    for _ in range(10):
        synchronize(device)
        started = time.perf_counter()
        a @ a
        synchronize(device)
        seconds.append(time.perf_counter() - started)
    return 2 * side**3 / min(seconds) / 1e9


def seconds_to_error(model: str, device: str, *, small: bool) -> dict[str, Any]:
    """Return seconds and error in percent of the fast recipe on CIFAR10, beside the paper's."""
    data = read_cifar10(Path(os.environ["SVP_DATA_DIR"]) / "cifar-10-batches-py")
    few = np.arange(512 if small else len(data.train))
    part, test = data.train.take(few), data.test.take(np.arange(512 if small else 10_000))
    recipe = find_model(model).recipes["fast"]
    if small:
        recipe = recipe.with_overrides({"epochs": 1})
    assert isinstance(part.content, Images)
    assert isinstance(test.content, Images)
    trained = train(
        ModelSetup(model, recipe),
        LabeledSet(part.content, part.labels, N_CLASSES),
        0,
        device=device,
    )
    probs = predict(trained, test.content, device=device).probs
    return {
        "seconds": trained.spent.wall,
        "error_percent": 100 * (1 - accuracy(probs, test.labels)),
        "papers_error_percent": ERRORS[model],
        "recipe": recipe.to_json(),
    }


def selection_seconds(n: int, width: int, device: str) -> dict[str, Any]:
    """Return seconds of greedy k-centers for a tenth of a mixture of 1,000 Gaussians."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(1000, width)).astype(np.float32)
    features = centres[rng.integers(0, 1000, n)]
    for start in range(0, n, 100_000):
        part = features[start : start + 100_000]
        part += 0.3 * rng.standard_normal(part.shape, dtype=np.float32)
    started = time.perf_counter()
    rows, _ = greedy_k_centers(features, features[:1000], n // 10, rng, Watch(device))
    return {"seconds": time.perf_counter() - started, "budget": len(rows)}


def parts(device: str, *, small: bool, only: str | None) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the name of each measurement and what makes it."""
    if only in {None, "training"}:
        peak = matrix_gigaflops(device, 512 if small else 8192)
        yield "matrix_gigaflops", lambda: peak
        for model, (n, side) in TRAINED.items():
            n, side = (16, min(side, 32)) if small else (n, side)  # noqa: PLW2901
            yield f"training {model}", partial(training_speed, model, n, side, device, peak)
    if only == "error" or (only is None and "SVP_DATA_DIR" in os.environ):
        for model in islice(ERRORS, 1 if small else None):
            yield f"error {model}", partial(seconds_to_error, model, device, small=small)
    if only in {None, "selection"}:
        for n, width in [(2000, 32)] if small else POOLS:
            yield f"k-centers {n} x {width}", partial(selection_seconds, n, width, device)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to try the script")
    parser.add_argument("--only", choices=["training", "error", "selection"])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    is_gpu = given.device.startswith("cuda")
    report: dict[str, Any] = {
        "command": "tests.benchmarks.gpu.measure",
        "date": time.strftime("%Y-%m-%d"),
        "device": torch.cuda.get_device_name() if is_gpu else "cpu",
        "torch": torch.__version__,
        "small": given.small,
    }
    for name, measure in parts(given.device, small=given.small, only=given.only):
        try:
            report[name] = measure()
        except (RuntimeError, ValueError, MemoryError) as error:
            report[name] = {"failed": f"{type(error).__name__}: {error}"}
        print(name, json.dumps(report[name]), flush=True)
        if given.out:
            given.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
