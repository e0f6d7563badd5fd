"""Packing against a bare loop of the same decoder or encoder over the same contents, on all cores.

    python -m tests.benchmarks.service.bench_packing --folder /tmp/svp-bench \
        --out docs/results/service/packing.json

The bare side has files or texts in memory, a share in each of as many processes as there are cores,
and keeps nothing of what it makes. Our side reads the items from Postgres and the store, hashes,
decodes or encodes, checks and writes them, in a fresh pack each turn; the start of its processes
counts. The ratio of the speeds is the share of what the machine can do.
"""

import argparse
import csv
import io
import os
import random
import shutil
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from app.db.queries import projects
from app.db.session import transaction
from app.db.tables import Split
from app.services.import_counts import ImportCounts
from app.services.items import import_items
from app.services.prepared_items import ItemIn
from app.storage.artifacts import ArtifactStore
from models.catalog import Encoding, resolve_recipe
from models.data.image import decode_image
from models.data.text import encode
from tests.benchmarks.rivals import Outcome, Rival, compare, write_result
from tests.benchmarks.service.bench_import import WORDS
from tests.benchmarks.service.serving import Served, serve
from tests.loop import create_draft
from workers.jobs.packing.forms import Form, ImageForm, TextForm
from workers.jobs.packing.splits import SplitPacker

WIDTH, HEIGHT, SIDE = 500, 375, 64
N_GRAMS, BUCKETS = 2, 10_000_000
ITEMS_A_REQUEST = 2000
Contents = Sequence[str] | Sequence[bytes]
share: Contents = []  # of this process


def take_share(file: str, n_items: int, kind: str) -> None:
    """Make one process's contents, before the clock runs."""
    global share  # noqa: PLW0603 - of a process of its own
    share = make_contents(kind, n_items, file)


def make_contents(kind: str, n: int, file: str | None) -> Contents:
    """Return photos as JPEG files, or texts: of the CSV file, else made up."""
    rng = random.Random(0)
    if kind == "images":
        few = [photo(k) for k in range(200)]
        return [rng.choice(few) for _ in range(n)]
    if file:
        with Path(file).open(newline="", encoding="utf-8") as opened:
            found = [
                f"{row[1]} {row[2]}" for row, _ in zip(csv.reader(opened), range(n), strict=False)
            ]
        return [found[i % len(found)] for i in range(n)]
    return [" ".join(rng.choices(WORDS, k=80)) for _ in range(n)]


def photo(seed: int) -> bytes:
    """Return a JPEG of 500 x 375 with the detail of a photo."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (24, 32, 3), np.uint8))
    pixels = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.int16)
    noise = rng.normal(0, 6, pixels.shape).astype(np.int16)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(
        buffer, "JPEG", quality=90
    )
    return buffer.getvalue()


def decode_share(_number: int) -> None:
    """Decode or encode this process's contents, as often as there are."""
    for start in range(0, len(share), ITEMS_A_REQUEST):
        part = share[start : start + ITEMS_A_REQUEST]
        if isinstance(part[0], str):
            encode([str(text) for text in part], N_GRAMS, BUCKETS)
        else:
            for data in part:
                decode_image(bytes(data), SIDE, 3)  # type: ignore[arg-type]


class Sides:
    """Both sides over the same number of items of one kind."""

    def __init__(self, served: Served, kind: str, n: int, file: str | None) -> None:
        self.served, self.kind, self.n, self.file = served, kind, n, file
        self.store = ArtifactStore(served.settings.artifact_store_url)
        self.project = self._filled()
        self.form: Form = ImageForm(SIDE, 3)
        if kind == "texts":
            recipe = resolve_recipe("fasttext", {"buckets": BUCKETS, "word_ngrams": N_GRAMS})
            self.form = TextForm(Encoding.WORD_NGRAMS, recipe)

    def _filled(self) -> int:
        with transaction(self.served.factory) as session:
            project = create_draft(session, f"{self.kind}-{os.getpid()}")
            project.modality = "text" if self.kind == "texts" else "image"
        contents = make_contents(self.kind, self.n, self.file)
        for start in range(0, self.n, ITEMS_A_REQUEST):
            lines = [
                (i, self._item(i, contents[i]))
                for i in range(start, min(start + ITEMS_A_REQUEST, self.n))
            ]
            counts = ImportCounts()
            with transaction(self.served.factory) as session:
                import_items(session, self.store, self.served.settings, project.id, lines, counts)
            assert counts.n_failed == 0, counts.why()
        return project.id

    def _item(self, i: int, content: str | bytes) -> ItemIn:
        if isinstance(content, str):
            return ItemIn(f"r-{i}", Split.POOL, text=content)
        return ItemIn(f"r-{i}", Split.POOL, image=content)

    def pack(self) -> None:
        """Pack all items into a fresh pack."""
        shutil.rmtree(self.served.settings.cache_folder, ignore_errors=True)
        with transaction(self.served.factory) as session:
            project = projects.get(session, self.project)
        packer = SplitPacker(
            self.served.factory, self.store, self.served.settings, project, Split.POOL, self.form
        )
        with packer.packed(self.n):
            pass

    def bare(self, pool: Pool, n_processes: int) -> None:
        """Let each process work through its share."""
        pool.map(decode_share, range(n_processes), chunksize=1)


def run(served: Served, kind: str, n: int, file: str | None, repeats: int) -> list[Outcome]:
    """Return both sides' outcomes, the bare loop's first."""
    sides = Sides(served, kind, n, file)
    n_processes = len(psutil.Process().cpu_affinity())
    context = get_context("spawn")
    with context.Pool(n_processes, take_share, (file or "", n // n_processes, kind)) as pool:
        return compare(
            Rival(f"bare loop, {kind}", lambda: sides.bare(pool, n_processes)),
            [Rival(f"packing, {kind}", sides.pack)],
            repeats,
        )


def main() -> None:
    """Print and keep seconds of both sides, and the ratio of their speeds with its range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--texts", type=int, default=500_000)
    parser.add_argument("--csv", help="Texts of this file in place of made-up ones.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    results = {}
    with serve(args.folder) as served:
        served.api.terminate()  # nobody asks it; its place is the packing's
        if args.images:
            results["images"] = run(served, "images", args.images, None, args.repeats)
        if args.texts:
            results["texts"] = run(served, "texts", args.texts, args.csv, args.repeats)
    write_result(args.out, vars(args), results)


if __name__ == "__main__":
    main()
