"""Imports of files by a job: a CSV against NDJSON by one request, a zip of images against unzip.

    python -m tests.benchmarks.service.bench_files --folder /tmp/svp-bench \
        --out docs/results/service/files.json

The CSV and the NDJSON hold the same texts. The zip holds small PNG files that all differ; the other
side unpacks it into a folder with Python's zipfile and does nothing else, while the import decodes
each image, stores it under its hash, forces it to the disk and writes its row. The job runs in this
process, by the code that a worker runs. Each turn has empty tables, store and folder; what the one
before left is moved aside, not removed. Nothing is run to warm up, the sides take turns.
"""

import argparse
import csv
import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from PIL import Image
from sqlalchemy import text

from app.config import MAX_JOB_LEASE_SECONDS
from app.db.session import transaction
from app.services.file_imports import create_import
from app.services.projects import ModelChoice
from app.storage.artifacts import ArtifactStore
from tests.benchmarks.rivals import Outcome, Rival, compare, write_result
from tests.benchmarks.service.bench_import import chunks, write_lines
from tests.benchmarks.service.serving import Served, serve
from tests.loop import claim_waiting, create_draft
from workers.jobs.attempt import Attempt
from workers.jobs.imports import run_import

SIDE = 32


def write_csv(path: Path, lines: Path) -> None:
    """Write the lines' items as a table."""
    with path.open("w", newline="") as file, lines.open("rb") as given:
        writer = csv.writer(file)
        writer.writerow(["external_id", "text"])
        for line in given:
            item = orjson.loads(line)
            writer.writerow([item["external_id"], item["text"]])


def write_zip(path: Path, n_images: int) -> None:
    """Write images that all differ, in folders of two classes."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(n_images):
            archive.writestr(f"{'ab'[number % 2]}/{number}.png", png_of(rng, SIDE))


def png_of(rng: np.random.Generator, side: int) -> bytes:
    """Return a square PNG of random stripes."""
    pixels = np.repeat(rng.integers(0, 256, (side, side // 8, 3), np.uint8), 8, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


class Sides:
    """Every side, on a project of its own and empty tables."""

    def __init__(self, served: Served, folder: Path) -> None:
        self.served, self.folder, self.client = served, folder, served.client()
        self.store = ArtifactStore(served.settings.artifact_store_url)

    def post(self) -> None:
        """Import the lines by one request."""
        answer = self.client.request(
            "POST",
            f"/projects/{self._empty('text')}/items",
            content=chunks(self.folder / "items.ndjson"),
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert answer.json()["n_failed"] == 0

    def import_file(self, name: str, modality: str) -> Callable[[], None]:
        """Return what imports a file by a job."""

        def run() -> None:
            project, settings = self._empty(modality), self.served.settings
            source = {"name": name, "uri": str(self.folder / name)}
            with transaction(self.served.factory) as session:
                found, _ = create_import(session, project, source, {}, settings)
                number = found.id
            claimed = claim_waiting(self.served.factory, settings, project)
            assert claimed is not None
            attempt = Attempt(claimed, settings, self.served.factory, self.store, lambda: False)
            run_import(attempt)
            done = self.client.file_import(project, number)
            assert (done["state"], done["n_failed"]) == ("succeeded", 0), done

        return run

    def unzip(self) -> None:
        """Unpack the archive."""
        target = self.folder / f"unpacked-{time.time_ns()}"
        with zipfile.ZipFile(self.folder / "images.zip") as archive:
            archive.extractall(target)

    def _empty(self, modality: str) -> int:
        stored = self.served.settings.data_folder / "artifacts"
        if stored.exists():
            stored.rename(stored.with_name(f"artifacts-{time.time_ns()}"))
        with transaction(self.served.factory) as session:
            session.execute(text("TRUNCATE items CASCADE"))
            proxy = ModelChoice("preact8" if modality == "image" else "fasttext", {"epochs": 1})
            return create_draft(session, f"files-{time.time_ns()}", modality, proxy=proxy).id


def main() -> None:
    """Print and keep the seconds of every side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=["csv", "zip"], default=["csv", "zip"])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    results: dict[str, list[Outcome]] = {}
    args.folder.mkdir(parents=True, exist_ok=True)
    lines = args.folder / "items.ndjson"
    write_lines(lines, args.lines, 0)
    write_csv(args.folder / "items.csv", lines)
    write_zip(args.folder / "images.zip", args.images)
    given: dict[str, Any] = {
        "image_roots": (str(args.folder),),
        "job_lease_seconds": MAX_JOB_LEASE_SECONDS,
    }
    with serve(args.folder / "service", **given) as served:
        sides = Sides(served, args.folder)
        if "csv" in args.parts:
            results["csv"] = compare(
                Rival("POST items, NDJSON", sides.post),
                [Rival("import of a CSV", sides.import_file("items.csv", "text"))],
                args.repeats,
                warms_up=False,
            )
        if "zip" in args.parts:
            results["zip"] = compare(
                Rival("zipfile.extractall", sides.unzip),
                [Rival("import of a zip", sides.import_file("images.zip", "image"))],
                args.repeats,
                warms_up=False,
            )
    sizes = {f.name: f.stat().st_size for f in args.folder.iterdir() if f.is_file()}
    write_result(args.out, vars(args), results, {"bytes": sizes})


if __name__ == "__main__":
    main()
