"""The fastText twin against the official library: scoring, training, and accuracy over seeds.

    cd tests/benchmarks/models
    SVP_DATA_DIR=... python bench_fasttext.py --out ../../../docs/results/models/fasttext.json

Real text: AG News (train.csv; a fifth is held out). Scoring starts at strings and ends at the
probabilities of all classes, the library's by `predict` on a list.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import fasttext
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[3]))  # also runs where the package is not installed

from models.catalog import Encoding, ModelSetup, resolve_recipe
from models.data.encoders import text_encoder
from models.data.labeled import LabeledSet
from models.data.readers import read_zhang_csv
from models.data.text import normalize
from models.predict import accuracy, predict
from models.recipe import Recipe
from models.training.train import TrainedModel, train
from tests.benchmarks.rivals import Outcome, Rival, compare, write_result

TWIN, OFFICIAL = "fasttext", "fasttext_official"
ENCODINGS = {TWIN: Encoding.WORD_NGRAMS, OFFICIAL: Encoding.WORDS}


def fit(
    model: str, recipe: Recipe, texts: list[str], labels: np.ndarray, seed: int
) -> TrainedModel:
    """Return a model trained from strings."""
    inputs = text_encoder(ENCODINGS[model], recipe).encode(texts)
    return train(ModelSetup(model, recipe), LabeledSet(inputs, labels, int(labels.max()) + 1), seed)


def compare_scoring(
    texts: list[str], labels: np.ndarray, n_lines: int, repeats: int, clock: Callable[[], float]
) -> list[Outcome]:
    """Return outcomes of all-class probabilities of many lines; the library is the peer."""
    recipe = resolve_recipe(TWIN, {"epochs": 2})
    twin = fit(TWIN, recipe, texts[:4000], labels[:4000], 0)
    lines = random.Random(0).choices(texts, k=n_lines)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "train.txt"
        normal = normalize(texts[:4000]).decode().split("\n")
        rows = [f"__label__{c} {t}" for c, t in zip(labels[:4000], normal, strict=False)]
        file.write_text("\n".join(rows) + "\n", encoding="utf-8")
        library = fasttext.train_supervised(
            str(file), dim=recipe.dim, epoch=2, lr=0.5, wordNgrams=2, bucket=recipe.buckets,
            thread=12, verbose=0,
        )  # fmt: skip
    one_line = [line.replace("\n", " ") for line in lines]  # as it demands
    encoder = text_encoder(Encoding.WORD_NGRAMS, recipe)
    return compare(
        Rival("official, predict on a list", lambda: library.predict(one_line, k=-1)),
        [Rival("twin", lambda: predict(twin, encoder.encode(lines)))],
        repeats,
        clock,
    )


def compare_training(
    texts: list[str], labels: np.ndarray, repeats: int, clock: Callable[[], float]
) -> list[Outcome]:
    """Return outcomes of five epochs with the default minibatches; the library is the peer."""
    rivals = []
    for model in (OFFICIAL, TWIN):
        for name, minibatch in (("", 4), (", one text a step", 1), (", minibatch 64", 64)):
            if model == OFFICIAL and minibatch != 4:
                continue
            recipe = resolve_recipe(model, {"epochs": 5, "minibatch": minibatch})
            inputs = text_encoder(ENCODINGS[model], recipe).encode(texts)
            n_classes = int(labels.max()) + 1

            def run(model=model, recipe=recipe, inputs=inputs, n=n_classes) -> None:  # type: ignore[no-untyped-def]
                train(ModelSetup(model, recipe), LabeledSet(inputs, labels, n), 0)

            rivals.append(Rival(f"{model}{name}", run))
    return compare(rivals[0], rivals[1:], repeats, clock)


def accuracies(
    texts: list[str], labels: np.ndarray, n_labeled: int, n_seeds: int
) -> dict[str, list[float]]:
    """Return the accuracy on the held-out fifth for each seed, each with another training set."""
    held = len(texts) // 5
    sides: dict[str, tuple[str, dict[str, object]]] = {
        "twin": (TWIN, {}),
        "twin, one text a step": (TWIN, {"minibatch": 1}),  # as the library
        "official": (OFFICIAL, {}),
    }
    found: dict[str, list[float]] = {name: [] for name in sides}
    for seed in range(n_seeds):
        order = np.random.default_rng(seed).permutation(len(texts))
        test, chosen = order[:held], order[held : held + n_labeled]
        for name, (model, overrides) in sides.items():
            recipe = resolve_recipe(model, overrides)
            trained = fit(model, recipe, [texts[i] for i in chosen], labels[chosen], seed)
            encoder = text_encoder(ENCODINGS[model], recipe)
            probs = predict(trained, encoder.encode([texts[i] for i in test])).probs
            found[name].append(accuracy(probs, labels[test]))
        print({name: values[-1] for name, values in found.items()}, flush=True)
    return found


def main() -> None:
    """Print medians, spread and ratios, and the accuracies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--labeled", type=int, nargs="+", default=[500, 4000])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--cpu-time", action="store_true", help="for a machine that others use")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    clock = time.process_time if args.cpu_time else time.perf_counter
    part = read_zhang_csv(Path(os.environ["SVP_DATA_DIR"]) / "ag_news_csv").train
    assert isinstance(part.content, list)
    texts, labels = part.content, part.labels
    n_words = sum(len(line.split()) for line in normalize(texts[:4000]).decode().split("\n"))
    results = {
        "all-class probabilities": compare_scoring(texts, labels, args.lines, args.repeats, clock),
        "training, 4,000 texts, 5 epochs": compare_training(
            texts[:4000], labels[:4000], args.repeats, clock
        ),
    }
    training = results["training, 4,000 texts, 5 epochs"]
    facts = {
        "words_per_second": {o.name: round(5 * n_words / o.seconds) for o in training},
        "accuracy": {
            f"{n} labeled": accuracies(texts, labels, n, args.seeds) for n in args.labeled
        },
    }
    print(json.dumps(facts, indent=1))
    write_result(args.out, {**vars(args), **facts}, results)


if __name__ == "__main__":
    main()
