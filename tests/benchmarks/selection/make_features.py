"""Makes the inputs of the k-centers benchmarks as .npy files in a cache folder; never committed.

    SVP_DATA_DIR=... python -m tests.benchmarks.selection.make_features cifar10 gaussian mixture

In every file the first 1,000 rows are the labeled ones, the rest are the pool.
"""

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

N_LABELED = 1_000
N_TRAINED = 10_240
EPOCHS = 8
BLOCK = 20_000
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "svp-benchmarks"

Float32Array = npt.NDArray[np.float32]


def cifar10(folder: Path) -> None:
    """(a): features of all 50,000 training images from a preact20 trained 8 epochs on 10,240."""
    # torch, needed by this input alone.
    from models.catalog import resolve_setup  # noqa: PLC0415
    from models.data.arrays import Images  # noqa: PLC0415
    from models.data.labeled import LabeledSet  # noqa: PLC0415
    from models.data.readers import read_cifar10  # noqa: PLC0415
    from models.predict import accuracy, predict  # noqa: PLC0415
    from models.training.train import train  # noqa: PLC0415

    part = read_cifar10(Path(os.environ["SVP_DATA_DIR"]) / "cifar-10-batches-py").train
    images, labels = part.content, part.labels
    assert isinstance(images, Images)
    trained = train(
        resolve_setup("preact20", {"epochs": EPOCHS}),
        LabeledSet(images.take(np.arange(N_TRAINED)), labels[:N_TRAINED], 10),
        seed=0,
        on_progress=print,
    )
    found = predict(trained, images, with_features=True)
    assert found.features is not None
    print(f"accuracy on all training images: {accuracy(found.probs, labels):.3f}")
    np.save(folder / "cifar10-classes.npy", labels)
    np.save(folder / "cifar10.npy", found.features)


def gaussian(folder: Path) -> None:
    """(b): 50,000 x 64 Gaussian, the worst case for pruning."""
    np.save(folder / "gaussian.npy", _normal(np.random.default_rng(0), 50_000, 64))


def mixture(folder: Path) -> None:
    """(c): 200,000 x 512, 100 Gaussian clusters of 32 dimensions each, with a little noise."""
    rng = np.random.default_rng(0)
    n, d, n_clusters, inner = 200_000, 512, 100, 32
    means = _normal(rng, n_clusters, d)
    spreads = _normal(rng, n_clusters, inner, d) / np.float32(np.sqrt(inner))
    file = np.lib.format.open_memmap(folder / "mixture.npy", "w+", np.float32, (n, d))
    order = rng.integers(n_clusters, size=n)
    for cluster in range(n_clusters):
        rows = np.flatnonzero(order == cluster)
        within = _normal(rng, len(rows), inner) @ spreads[cluster]
        file[rows] = means[cluster] + within + np.float32(0.1) * _normal(rng, len(rows), d)
    file.flush()


def imagenet(folder: Path) -> None:
    """ImageNet's size: 1,280,000 x 512, made of (a): needs it.

    Each row lies between two images of one class, at a random place, is widened to 512 by one
    random rotation for all, and has noise of 2% of a feature's spread added.
    """
    rng = np.random.default_rng(0)
    features, classes = np.load(folder / "cifar10.npy"), np.load(folder / "cifar10-classes.npy")
    members = [np.flatnonzero(classes == c) for c in range(classes.max() + 1)]
    n, d = 1_280_000, 512
    widen = np.linalg.qr(rng.normal(size=(d, features.shape[1])))[0].T.astype(np.float32)
    noise = np.float32(0.02) * features.std()
    file = np.lib.format.open_memmap(folder / "imagenet.npy", "w+", np.float32, (n, d))
    for start in range(0, n, BLOCK):
        first = rng.integers(len(features), size=BLOCK)
        second = np.empty_like(first)
        for c, rows in enumerate(members):
            of_class = classes[first] == c
            second[of_class] = rng.choice(rows, size=of_class.sum())
        share = rng.random((BLOCK, 1), dtype=np.float32)
        between = share * features[first] + (1 - share) * features[second]
        file[start : start + BLOCK] = between @ widen + noise * _normal(rng, BLOCK, d)
    file.flush()


def _normal(rng: np.random.Generator, *shape: int) -> Float32Array:
    return rng.standard_normal(shape, dtype=np.float32)


INPUTS: Mapping[str, Callable[[Path], None]] = {
    make.__name__: make for make in (cifar10, gaussian, mixture, imagenet)
}


def main() -> None:
    """Make the inputs named that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("inputs", nargs="+", choices=INPUTS)
    parser.add_argument("--folder", type=Path, default=CACHE)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in args.inputs:
        if not (args.folder / f"{name}.npy").exists():
            INPUTS[name](args.folder)
        print(args.folder / f"{name}.npy", flush=True)


if __name__ == "__main__":
    main()
