"""Majority, Dawid-Skene and CROWDLAB on labels that people gave; gold that finds a careless one.

Three people labeled the same 4,000 news texts of NoisyAG-News, the true class of 1,139 is known.
Added to them are annotators who answer at random. Run from the repository root:

    SVP_DATA_DIR=... python -m tests.benchmarks.service.consensus_on_human_labels \
        --out docs/results/service/consensus.json
"""

import argparse
import csv
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from app.domain.agreement import wilson_interval
from app.domain.consensus import resolve
from models.catalog import find_model, resolve_setup
from models.data.encoders import text_encoder
from models.data.labeled import LabeledSet
from models.predict import predict
from models.training.train import train
from workers.jobs.consensus import Opinions, crowdlab, dawid_skene

IntArray = npt.NDArray[np.int64]
N_CLASSES, N_FOLDS, SEEDS = 4, 5, (0, 1, 2, 3, 4)
MIN_ACCURACY, MIN_ANSWERS, N_DRAWS = 0.6, 10, 2000


def read_news(folder: Path) -> tuple[list[str], IntArray, dict[int, int]]:
    """Return (texts, classes [3, n], true class of the rows where it is known)."""
    path = folder / "labels" / "noisyag-news" / "annotations_3x4000.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    given = np.array([[int(row[f"annotator{who}"]) for row in rows] for who in (1, 2, 3)])
    lowest = int(given.min())
    true = {i: int(r["ground_truth"]) - lowest for i, r in enumerate(rows) if r["ground_truth"]}
    return [f"{r['title']} {r['description']}" for r in rows], given - lowest, true


def opinions_of(given: IntArray) -> Opinions:
    """Return the labels [n_people, n] as triples, each item's in an order of its own."""
    n_people, n = given.shape
    rng = np.random.default_rng(0)
    who = np.concatenate([rng.permutation(n_people) for _ in range(n)])
    item = np.repeat(np.arange(n), n_people)
    return Opinions(item, who, given[who, item])


def majority(opinions: Opinions, n_people: int) -> IntArray:
    """Return the majority's class of each item; a tie goes to the first given."""
    classes = opinions.classes.reshape(-1, n_people).tolist()
    return np.array([resolve(row, n_people) for row in classes])


def out_of_sample_probs(texts: list[str], labels: IntArray) -> npt.NDArray[np.float64]:
    """Return class probabilities of every text by fastText trained on the other folds."""
    setup = resolve_setup("fasttext", {"epochs": 10})
    encoder = text_encoder(find_model("fasttext").encoding, setup.recipe)
    fold = np.random.default_rng(0).integers(0, N_FOLDS, len(texts))
    probs = np.empty((len(texts), N_CLASSES))
    for k in range(N_FOLDS):
        rest, held = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        inputs = encoder.encode([texts[i] for i in rest])
        trained = train(setup, LabeledSet(inputs, labels[rest], N_CLASSES), seed=k)
        probs[held] = predict(trained, encoder.encode([texts[i] for i in held])).probs
    return probs


def share_right(classes: IntArray, true: dict[int, int]) -> float:
    """Return the share of the known items whose class is right."""
    return float(np.mean([classes[i] == c for i, c in true.items()]))


def compare(texts: list[str], given: IntArray, true: dict[int, int]) -> dict[str, float]:
    """Return the share right by method."""
    opinions = opinions_of(given)
    by_majority = majority(opinions, len(given))
    by_dawid_skene = np.array([entry.class_index for entry in dawid_skene(opinions)])
    probs = out_of_sample_probs(texts, by_majority)
    by_crowdlab = np.array([entry.class_index for entry in crowdlab(opinions, probs)])
    return {
        "majority": share_right(by_majority, true),
        "dawid_skene": share_right(by_dawid_skene, true),
        "crowdlab": share_right(by_crowdlab, true),
        "model_alone": share_right(probs.argmax(axis=1), true),
    }


def gold_run(given: IntArray, true: dict[int, int]) -> list[dict[str, Any]]:
    """Return for each annotator how often a random set of gold items would have them paused."""
    rng = np.random.default_rng(1)
    known = np.array(sorted(true))
    is_right = given[:, known] == np.array([true[i] for i in known])
    found = []
    for right in is_right:
        drawn = [
            int(right[rng.choice(len(known), MIN_ANSWERS, replace=False)].sum())
            for _ in range(N_DRAWS)
        ]
        low, high = wilson_interval(int(right.sum()), len(right))
        found.append(
            {
                "accuracy": float(right.mean()),
                "low": low,
                "high": high,
                "paused_after_10": float(np.mean(np.array(drawn) < MIN_ACCURACY * MIN_ANSWERS)),
            }
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    given_arguments = parser.parse_args()
    texts, people, true = read_news(Path(os.environ["SVP_DATA_DIR"]))
    result: dict[str, Any] = {
        "command": "python -m tests.benchmarks.service.consensus_on_human_labels",
        "data": "NoisyAG-News, 3 people x 4,000 texts, 1,139 with a known class",
        "versions": {name: version(name) for name in ("cleanlab", "numpy", "scipy", "torch")},
        "three_people": compare(texts, people, true),
    }
    for n_careless in (1, 2):
        by_seed = []
        for seed in SEEDS:
            rng = np.random.default_rng(seed)
            careless = rng.integers(0, N_CLASSES, (n_careless, people.shape[1]))
            by_seed.append(compare(texts, np.concatenate([people, careless]), true))
        result[f"and_{n_careless}_at_random"] = {
            name: {
                "mean": float(np.mean([run[name] for run in by_seed])),
                "by_seed": [run[name] for run in by_seed],
            }
            for name in by_seed[0]
        }
    careless = np.random.default_rng(0).integers(0, N_CLASSES, (1, people.shape[1]))
    result["gold"] = {
        "rule": f"below {MIN_ACCURACY} of {MIN_ANSWERS} answers to gold: paused; {N_DRAWS} draws",
        "people_then_careless": gold_run(np.concatenate([people, careless]), true),
    }
    given_arguments.out.parent.mkdir(parents=True, exist_ok=True)
    given_arguments.out.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    print(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    main()
