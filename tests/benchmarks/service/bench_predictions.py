"""Seconds to predict given items by the route: 100 texts, 1 text, 100 images, the first request.

    python -m tests.benchmarks.service.bench_predictions --folder /tmp/svp-bench-predictions \
        --out docs/results/service/predictions.json

An API process and a worker process on one machine; the client is this process and sends JSON over
the loopback. The models are a fastText of AG News texts (SVP_DATA_DIR) with the default recipe, and
a preact20 of 32 x 32 images; how good they are does not matter here. `first` holds the start of the
predicting process and the loading of torch and the model.
"""

import argparse
import csv
import io
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sqlalchemy import text

from app.db.session import transaction
from app.db.tables import Split
from app.services import workers
from app.services.projects import ModelChoice
from svp_client import Client
from tests.benchmarks.rivals import write_facts
from tests.benchmarks.service.serving import Served, milliseconds, serve, worker
from tests.projects import Data, ServedProject

N_ITEMS, N_LABELED = 400, 200


def texts() -> list[tuple[str, int]]:
    """Return texts of AG News with their class indices."""
    path = Path(os.environ["SVP_DATA_DIR"]) / "ag_news_csv" / "train.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row, _ in zip(csv.reader(file), range(N_ITEMS + 1), strict=False)]
    return [(f"{row[1]} {row[2]}", int(row[0]) - 1) for row in rows if row[0].isdecimal()]


def image(index: int) -> bytes:
    """Return a colour PNG of 32 x 32 pixels, dark or light."""
    rng = np.random.default_rng(index)
    pixels = rng.integers(0, 60, (32, 32, 3), np.uint8) + 150 * (index % 2)
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def make(served: Served, kind: str) -> tuple[int, list[Any]]:
    """Return a project of this kind whose round 1 has trained a proxy, and 100 items."""
    if kind == "text":
        found = texts()
        data = Data(
            "text",
            ("world", "sports", "business", "science"),
            lambda _, i: {"text": found[i][0]},
            lambda _, i: found[i][1],
            ModelChoice("fasttext", {}),
        )
        items: list[Any] = [words for words, _ in found[-100:]]
    else:
        data = Data(
            "image",
            ("dark", "light"),
            lambda _, i: {"image": image(i)},
            lambda _, i: i % 2,
            ModelChoice("preact20", {"epochs": 1}),
        )
        items = [image(i) for i in range(1000, 1100)]
    n = N_LABELED if kind == "text" else 20
    project = ServedProject(
        served.factory, served.settings, data, initial_budget=n, total_budget=2 * n
    )
    project.add(range(min(N_ITEMS, len(found)) if kind == "text" else 60), Split.POOL)
    project.start()
    project.do_job()
    project.label(n)
    project.do_job()
    with transaction(served.factory) as session:
        session.execute(text("UPDATE projects SET name = name || id"))
    return project.id, items


def measure(client: Client, project: int, items: list[Any], n: int) -> dict[str, float]:
    """Return milliseconds of requests for these items."""
    seconds = []
    for _ in range(n):
        started = time.perf_counter()
        found = client.predict(project, items)["predictions"]
        seconds.append(time.perf_counter() - started)
        assert all(prediction["class"] is not None for prediction in found)
    return dict(milliseconds(seconds))


def run(served: Served, n: int) -> dict[str, Any]:
    """Return what was measured."""
    projects = {kind: make(served, kind) for kind in ("text", "image")}
    client = served.client()
    found: dict[str, Any] = {"load_average": os.getloadavg()[0]}
    with worker(served.settings):
        while not _has_worker(served):
            time.sleep(0.1)
        project, items = projects["text"]
        started = time.perf_counter()
        client.predict(project, items)
        found["first_seconds"] = round(time.perf_counter() - started, 2)
        found["100_texts_ms"] = measure(client, project, items, n)
        found["1_text_ms"] = measure(client, project, items[:1], n)
        project, items = projects["image"]
        client.predict(project, items)
        found["100_images_ms"] = measure(client, project, items, max(2, n // 5))
    sizes = [len(words) for words in projects["text"][1]]
    found["characters_of_a_text"] = round(sum(sizes) / len(sizes), 1)
    found["bytes_of_an_image"] = len(projects["image"][1][0])
    return found


def _has_worker(served: Served) -> bool:
    with transaction(served.factory) as session:
        return bool(workers.present(session))


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--n", type=int, default=50)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with serve(given.folder, predict_seconds=60.0) as served:
        write_facts(given.out, vars(given), run(served, given.n))


if __name__ == "__main__":
    main()
