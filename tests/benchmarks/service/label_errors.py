"""Measures how well wrong labels of people are found, beside cleanlab alone.

CIFAR-10N: the labels of one worker (`worse`: the worst of three) for photos whose class is known.
NoisyAG-News: the majority label of people for news texts whose topic is known. Both rankings come
of the same trainings. Run from the repository root:

    SVP_DATA_DIR=... python -m tests.benchmarks.service.label_errors \
        --out docs/results/service/label-errors.json
"""

import argparse
import csv
import os
import pickle
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from scipy.stats import rankdata

from models.catalog import ModelSetup, find_model, resolve_setup
from models.data.arrays import Images
from models.data.encoders import text_encoder
from models.data.labeled import LabeledSet
from workers.steps.label_errors import LabelErrors, run_label_errors_step

Array = npt.NDArray[Any]
N_DRAWS, AT = 1000, 100
TEXT_SEEDS, PHOTO_SEEDS = (0, 1), (0,)


def read_news(folder: Path, n: int, setup: ModelSetup) -> tuple[LabeledSet, Array]:
    """Return n news texts with the majority's label, and which labels are wrong."""
    path = folder / "labels" / "noisyag-news" / "majority_label_10000.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    chosen = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[:n]]
    true = np.array([int(row["ground_truth"]) for row in chosen])
    given = np.array([int(row["human_majority_label"]) for row in chosen])
    lowest = int(min(true.min(), given.min()))
    encoder = text_encoder(find_model(setup.model).encoding, setup.recipe)
    inputs = encoder.encode([row["text"] for row in chosen])
    return LabeledSet(inputs, given - lowest, 4), true != given


def read_photos(folder: Path, n: int) -> tuple[LabeledSet, Array]:
    """Return n photos of CIFAR10 with the worst of three people's labels, and which are wrong."""
    parts = []
    for number in range(1, 6):
        with (folder / "cifar-10-batches-py" / f"data_batch_{number}").open("rb") as file:
            parts.append(pickle.load(file, encoding="bytes")[b"data"])  # noqa: S301 - our data
    pixels = np.concatenate(parts).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    labels = np.load(folder / "labels" / "cifar-n" / "cifar10n.npz")
    rows = np.sort(np.random.default_rng(0).permutation(len(pixels))[:n])
    given = labels["worse_label"][rows].astype(np.int64)
    inputs = Images(np.ascontiguousarray(pixels[rows]))
    return LabeledSet(inputs, given, 10), given != labels["clean_label"][rows]


def area_under_curve(scores: Array, is_wrong: Array) -> float:
    """Return the probability that a wrong label scores above a right one, ties halved."""
    n_wrong = int(is_wrong.sum())
    n_right = len(is_wrong) - n_wrong
    above = rankdata(scores)[is_wrong].sum() - n_wrong * (n_wrong + 1) / 2
    return float(above / (n_wrong * n_right))


def precision_at(scores: Array, is_wrong: Array) -> float:
    """Return the share of wrong labels among the AT highest scores."""
    return float(is_wrong[np.argsort(-scores, kind="stable")[:AT]].mean())


def with_interval(measure: Any, scores: Array, is_wrong: Array) -> dict[str, float]:
    """Return a value with its 95% bootstrap interval over the items."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(N_DRAWS):
        rows = rng.integers(0, len(scores), len(scores))
        drawn.append(measure(scores[rows], is_wrong[rows]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"value": measure(scores, is_wrong), "low": float(low), "high": float(high)}


def rankings(found: LabelErrors) -> dict[str, Array]:
    """Return what is compared: the service's ranking, cleanlab's alone, and each sign alone."""
    dynamics = found.dynamics
    shown = {
        "service": found.suspicion,
        "cleanlab alone": found.by_cleanlab,
        "mean confidence alone": -dynamics.confidence,
        "el2n alone": dynamics.el2n,
        "never learned alone": (~dynamics.is_learned).astype(float),
    }
    if dynamics.forgotten is not None:
        shown["forgetting events alone"] = dynamics.forgotten.astype(float)
    return shown


def measure(
    name: str, setup: ModelSetup, labeled: LabeledSet, is_wrong: Array, seeds: tuple[int, ...]
) -> dict[str, Any]:
    """Return the areas and precisions of one data set, for each seed."""
    by_seed = []
    for seed in seeds:
        found, seconds = run_label_errors_step(setup, labeled, seed)
        by_seed.append(
            {
                "seed": seed,
                "n_expected": found.n_expected,
                "seconds": {"wall": seconds.wall, "cpu": seconds.cpu},
                "rankings": {
                    ranking: {
                        "auc": with_interval(area_under_curve, scores, is_wrong),
                        f"precision_at_{AT}": with_interval(precision_at, scores, is_wrong),
                    }
                    for ranking, scores in rankings(found).items()
                },
            }
        )
        for ranking, values in by_seed[-1]["rankings"].items():  # type: ignore[attr-defined]
            auc, precision = values["auc"]["value"], values[f"precision_at_{AT}"]["value"]
            print(f"{name} seed {seed} {ranking}: {auc:.3f} {precision:.2f}", flush=True)
    return {
        "n": len(labeled),
        "n_wrong": int(is_wrong.sum()),
        "model": setup.model,
        "recipe": setup.recipe.to_json(),
        "seeds": by_seed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=4_000)
    parser.add_argument("--photos", type=int, default=500)
    given = parser.parse_args()
    folder = Path(os.environ["SVP_DATA_DIR"])
    result: dict[str, Any] = {
        "command": "python -m tests.benchmarks.service.label_errors",
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": "2 CPU cores, shared with other work: seconds are no measurement of speed",
        "versions": {name: version(name) for name in ("cleanlab", "numpy", "scipy", "torch")},
    }
    text_setup = resolve_setup("fasttext", {"epochs": 10, "buckets": 200_000})
    result["noisyag_news"] = measure(
        "news", text_setup, *read_news(folder, given.texts, text_setup), TEXT_SEEDS
    )
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    photo_setup = resolve_setup("preact8", {"name": "fast", "epochs": 8, "minibatch": 32})
    result["cifar10n_worse"] = measure(
        "photos", photo_setup, *read_photos(folder, given.photos), PHOTO_SEEDS
    )
    given.out.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")


if __name__ == "__main__":
    main()
