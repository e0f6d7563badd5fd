"""The default proxy against the simple baselines, from 100 to 4,000 labels, on six data sets.

    SVP_DATA_DIR=... python -m tests.benchmarks.models.bench_defaults \
        --out docs/results/models/defaults.json

For each data set, number of labels and seed every arm learns from the same drawn items and is
measured on the same others. Each training is stored as it ends; the same command goes on where it
was cut off, and repeats what was trained by another recipe. `--report` prints the table alone.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from app.schemas.projects import DEFAULT_PROXY
from models.catalog import Modality, resolve_setup
from models.data.labeled import LabeledSet
from models.data.readers import Part, RawDataSet, read_cifar10, read_image_folder, read_zhang_csv
from models.predict import accuracy, predict
from models.training.train import train
from tests.benchmarks.rivals import machine
from workers.simulation.data import model_inputs

SIZES = (100, 400, 1000, 4000)
SEEDS = (1, 2, 3, 4, 5)
MOST_EVALUATED = 5000
SIDE = 32


@dataclass(frozen=True)
class Source:
    """A data set below SVP_DATA_DIR; `n_evaluation` are held out where it has no test part."""

    modality: Modality
    folder: str
    read: Callable[[Path], RawDataSet]
    n_evaluation: int | None = None


def _whole(folder: Path) -> RawDataSet:
    """Return Imagenette with both parts as one: its test part alone has 250 images."""
    found = read_image_folder(folder, SIDE)
    pixels = np.concatenate([found.train.content.pixels, found.test.content.pixels])  # type: ignore[union-attr]
    labels = np.concatenate([found.train.labels, found.test.labels])
    part = Part(type(found.train.content)(pixels), labels)
    return RawDataSet(part, part.take(np.empty(0, np.int64)), found.classes)


SOURCES = {
    "ag-news": Source(Modality.TEXT, "ag_news_csv", read_zhang_csv),
    "amazon-polarity": Source(Modality.TEXT, "amazon_review_polarity_csv", read_zhang_csv),
    "amazon-full": Source(Modality.TEXT, "amazon_review_full_csv", read_zhang_csv),
    "dbpedia": Source(Modality.TEXT, "dbpedia_subset_csv", read_zhang_csv, 4000),
    "cifar10": Source(Modality.IMAGE, "cifar-10-batches-py", read_cifar10),
    "imagenette": Source(Modality.IMAGE, "imagenette-224-subset", _whole, 500),
}

SKLEARN = "scikit-learn"
# The recipes that the baselines are trained by; None: scikit-learn's own TF-IDF and regression.
BASELINES: dict[Modality, dict[str, tuple[str, dict[str, object]] | None]] = {
    Modality.TEXT: {
        SKLEARN: None,
        "fastText, unigrams": ("fasttext", {"name": "few_labels", "word_ngrams": 1}),
        "fastText, bigrams": ("fasttext", {"name": "few_labels"}),
    },
    Modality.IMAGE: {
        "fast": ("preact8", {"name": "fast"}),
        "fast, 20 epochs of 32": (
            "preact8",
            {"name": "fast", "epochs": 20, "minibatch": 32, "horizontal_flip": False},
        ),
    },
}
DEFAULT = "default"


def arms_of(modality: Modality) -> dict[str, tuple[str, dict[str, object]] | None]:
    """Return the arms of data sets of this kind: the default and the baselines."""
    return {DEFAULT: (DEFAULT_PROXY[modality], {"name": "auto"}), **BASELINES[modality]}


def draw(source: Source, data: RawDataSet, n: int, seed: int) -> tuple[Part, Part] | None:
    """Return n labeled items and those to measure on; None where there are too few."""
    order = np.random.default_rng([seed, n]).permutation(len(data.train))
    if source.n_evaluation is None:
        rows = np.random.default_rng(0).permutation(len(data.test))[:MOST_EVALUATED]
        return (
            (data.train.take(np.sort(order[:n])), data.test.take(rows)) if n <= len(order) else None
        )
    if n + source.n_evaluation > len(order):
        return None
    held_out, order = order[: source.n_evaluation], order[source.n_evaluation :]
    return data.train.take(np.sort(order[:n])), data.train.take(held_out)


def train_sklearn(labeled: Part, test: Part) -> dict[str, Any]:
    """Return the accuracy of scikit-learn's TF-IDF and logistic regression, all as it comes."""
    vectorizer, model = TfidfVectorizer(), LogisticRegression(max_iter=1000)
    model.fit(vectorizer.fit_transform(labeled.content), labeled.labels)
    found = model.predict(vectorizer.transform(test.content))
    return {"accuracy": float((found == test.labels).mean()), "recipe": SKLEARN}


def train_ours(
    model: str, overrides: dict[str, object], parts: tuple[Part, Part], n_classes: int, seed: int
) -> dict[str, Any]:
    """Return the accuracy of a model of the catalog, and the recipe that it was trained by."""
    labeled, test = parts
    setup = resolve_setup(model, overrides)
    inputs, held_out = (model_inputs(part, setup) for part in parts)
    trained = train(setup, LabeledSet(inputs, labeled.labels, n_classes), seed)
    return {
        "accuracy": accuracy(predict(trained, held_out).probs, test.labels),
        "recipe": trained.recipe.hash,
        "recipe_name": trained.recipe_name,
        "notes": list(trained.notes),
    }


def runs_wanted(args: argparse.Namespace) -> Iterator[tuple[str, int, int, str]]:
    """Yield (data set, labels, seed, arm), so that an early stop leaves all arms of a seed."""
    for name in args.data:
        for seed in args.seeds:
            for n in args.sizes:
                for arm in arms_of(SOURCES[name].modality):
                    if not args.arms or arm in args.arms:
                        yield name, n, seed, arm


def measure(args: argparse.Namespace, known: list[dict[str, Any]]) -> None:
    """Train what is not stored yet; store each training as it ends."""
    read: dict[str, RawDataSet] = {}
    done = {(run["data"], run["n"], run["seed"], run["arm"]) for run in known}
    for key in runs_wanted(args):
        name, n, seed, arm = key
        if key in done:
            continue
        source = SOURCES[name]
        if name not in read:
            read = {name: source.read(Path(os.environ["SVP_DATA_DIR"]) / source.folder)}
        parts = draw(source, read[name], n, seed)
        if parts is None:
            continue
        wanted, began = arms_of(source.modality)[arm], time.process_time()
        if wanted is None:
            found = train_sklearn(*parts)
        else:
            found = train_ours(*wanted, parts, len(read[name].classes), seed)
        seconds = time.process_time() - began
        known.append(
            {"data": name, "n": n, "seed": seed, "arm": arm, "cpu_seconds": seconds, **found}
        )
        print(
            f"{name} {n} {seed} {arm}: {100 * found['accuracy']:.1f}% {seconds:.1f} s", flush=True
        )
        store(args.out, known)


def store(out: Path, runs: list[dict[str, Any]]) -> None:
    """Write all runs and the machine, whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_suffix(".part")
    facts = {"machine": machine(), "evaluated_at_most": MOST_EVALUATED, "runs": runs}
    beside.write_text(json.dumps(facts, indent=1) + "\n")
    beside.replace(out)


def report(runs: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a Markdown table: mean accuracy and standard deviation of each arm, by labels."""
    for name, source in SOURCES.items():
        arms = arms_of(source.modality)
        yield f"\n| {name}, labels | {' | '.join(arms)} | default behind the best by |"
        yield "|---" * (len(arms) + 2) + "|"
        for n in sorted({run["n"] for run in runs if run["data"] == name}):
            cells, means = [], {}
            for arm in arms:
                found = [
                    100 * run["accuracy"]
                    for run in runs
                    if (run["data"], run["n"], run["arm"]) == (name, n, arm)
                ]
                means[arm] = statistics.mean(found) if found else float("nan")
                cells.append(
                    f"{means[arm]:.1f} ± {statistics.pstdev(found or [0]):.1f} ({len(found)})"
                )
            behind = max(means[arm] for arm in arms if arm != DEFAULT) - means[DEFAULT]
            yield f"| {n:,} | {' | '.join(cells)} | {behind:.1f} |"


def main() -> None:
    """Measure what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", choices=SOURCES, default=list(SOURCES))
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--arms", nargs="+", help="all by default")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--report", action="store_true", help="print what is stored, train nothing")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    runs = json.loads(args.out.read_text())["runs"] if args.out.exists() else []
    if not args.report:
        measure(args, runs)
    sys.stdout.write("\n".join(report(runs)) + "\n")


if __name__ == "__main__":
    main()
