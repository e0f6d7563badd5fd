"""Recomputes the scores of a served round with numpy, from the stored weights and images.

    python -m tests.benchmarks.simulation.check_scores RUN_FOLDER --arm proxy --seed 1 --round 2

RUN_FOLDER is what `svp simulate EXPERIMENT --through-api --out RUN_FOLDER` left. The service of the
run is started again; its round's items, scores and weights come over HTTP, the images from the
data set. Prints and writes the largest difference, and whether the batch is the same.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load

from app.config import read_settings
from models.data.arrays import Images
from svp_client import Client
from tests.numpy_preact import probabilities
from workers.service.stack import Stack
from workers.simulation.active_learning.config import ActiveLearningConfig
from workers.simulation.active_learning.lines import LineFile
from workers.simulation.data import load_data
from workers.simulation.imports import project_name
from workers.simulation.load import read_experiment
from workers.simulation.run import read_run_id

CHUNK = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--arm", default="proxy")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--round", type=int, default=2)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    experiment = read_experiment(given.run)
    assert isinstance(experiment, ActiveLearningConfig)
    lines = LineFile(given.run, given.arm, given.seed).read()
    labeled = np.asarray([i for line in lines[: given.round] for i in line.indices])
    pool = load_data(experiment.data, given.seed).pool.content
    assert isinstance(pool, Images)
    folder = (given.run / "service").resolve()
    settings = read_settings().model_copy(update={"data_folder": folder, "port": 0})
    with Stack(settings) as stack, Client(stack.url, stack.create_admin_token()) as client:
        run_id = read_run_id(given.run)
        name = project_name(experiment.name, given.arm, given.seed, run_id)
        project = client.find_project(name)
        assert project is not None, f"no project {name}"
        items = list(client.selected(project["id"], given.round))
        model = next(m for m in client.models(project["id"]) if m["round_number"] == given.round)
        weights = load(client.model_weights(project["id"], model["id"]))
    rest = np.setdiff1d(np.arange(len(pool)), labeled)
    probs = np.concatenate(
        [
            probabilities(weights, pool.pixels[rest[start : start + CHUNK]])
            for start in range(0, len(rest), CHUNK)
        ]
    )
    scores = 1 - probs.max(axis=1)  # least confidence
    by_index = dict(zip(rest.tolist(), scores.tolist(), strict=True))
    differences = [abs(by_index[item["index"]] - item["score"]) for item in items]
    batch = [item["index"] for item in items]
    own = rest[np.lexsort((rest, -scores))[: len(batch)]].tolist()
    found = {
        "command": f"check_scores --arm {given.arm} --seed {given.seed} --round {given.round}",
        "date": time.strftime("%Y-%m-%d"),
        "experiment": f"{experiment.name} ({lines[0].experiment_hash})",
        "model": model["name"],
        "n_scored": len(rest),
        "n_batch": len(batch),
        "largest_difference": max(differences),
        "n_in_both_batches": len(set(own) & set(batch)),
        "n_same_place": int(sum(a == b for a, b in zip(own, batch, strict=True))),
    }
    print(json.dumps(found, indent=2))
    if given.out:
        given.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
