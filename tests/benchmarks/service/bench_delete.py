"""Deletes a project of many labeled images; measures how long, and what is left of it.

    python -m tests.benchmarks.service.bench_delete --folder /tmp/svp-bench \
        --out docs/results/service/delete.json

The images are small PNG files that all differ. Some are shared with a second project, which stays.
Labels are given through the services, the rest through the API. What is left are rows of each table
and files of the artifact store and the workers' cache, counted when the API has ended.
"""

import argparse
import io
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from sqlalchemy import inspect, text

from app.db.session import transaction
from app.services.labels import LabelEntry, submit_labels
from app.services.leases import next_batch
from svp_client import Client
from tests.benchmarks.rivals import write_result
from tests.benchmarks.service.serving import Served, serve
from tests.loop import annotator, publish_in_order

N_SHARED = 100
AT_ONCE = 500


def png(number: int) -> bytes:
    """Return a PNG of 4 x 4 pixels that no other number gives."""
    pixels = np.random.default_rng(number).integers(0, 256, (4, 4), np.uint8)
    pixels.flat[:4] = list(number.to_bytes(4, "little"))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def create(client: Client, name: str, n_items: int, n_labels: int) -> int:
    """Create a project of images."""
    project = client.create_project(
        name=name,
        modality="image",
        classes=["a", "b"],
        strategy="uniform",
        initial_budget=n_labels,
        round_budget=n_labels,
        total_budget=n_labels,
        reserve=0,
    )["id"]
    files: Iterator[tuple[str, bytes]] = ((f"{i}.png", png(i)) for i in range(n_items))
    client.upload_images(project, files)
    return int(project)


def label(served: Served, project: int, n_items: int, n_labels: int) -> None:
    """Label items of the project; none is left to label then."""
    served.client().start(project)
    publish_in_order(served.factory, served.settings, project, n_items)
    ada = annotator(served.factory, "ada")
    for _ in range(0, n_labels, AT_ONCE):
        with transaction(served.factory) as session:
            leased = next_batch(session, project, ada, AT_ONCE, served.settings).items
            entries = [LabelEntry(each.item.id, "a") for each in leased]
        with transaction(served.factory) as session:
            submit_labels(session, project, ada, entries, served.settings)


def rows(served: Served) -> dict[str, int]:
    """Return the rows of each table that has some."""
    with transaction(served.factory) as session:
        names = inspect(session.connection()).get_table_names()
        counts = {name: session.scalar(text(f"SELECT count(*) FROM {name}")) for name in names}  # noqa: S608
    return {name: int(n) for name, n in sorted(counts.items()) if n}


def files(served: Served) -> int:
    """Return how many files the store and the cache hold."""
    folders = (served.settings.data_folder / "artifacts", served.settings.cache_folder)
    return sum(path.is_file() for folder in folders for path in folder.rglob("*"))


def main() -> None:
    """Print and keep seconds and counts before and after."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--labels", type=int, default=20_000)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with serve(args.folder, sweep_seconds=0.5, discard_after_seconds=0) as served:
        client = served.client()
        create(client, "stays", N_SHARED, 1)
        without = {"rows": rows(served), "files": files(served)}
        project = create(client, "goes", args.items, args.labels)
        label(served, project, args.items, args.labels)
        before = {"rows": rows(served), "files": files(served)}
        started = time.perf_counter()
        client.delete_project(project, "goes")
        answered = time.perf_counter() - started
        while True:
            (left,) = client.deleted_projects()
            if left["ended_at"] and not left["n_files_left"]:
                break
            time.sleep(0.5)
        seconds = time.perf_counter() - started
        notes = {
            "seconds_until_answered": round(answered, 3),
            "seconds_until_nothing_is_left": round(seconds, 1),
            "with_the_other_project_alone": without,
            "before": before,
            "after": {"rows": rows(served), "files": files(served)},
        }
        print(notes)
    write_result(args.out, vars(args), {}, notes)


if __name__ == "__main__":
    main()
