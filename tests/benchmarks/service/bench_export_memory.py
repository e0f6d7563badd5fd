"""The memory of exports of labels that a job writes, by the number of labels.

    python -m tests.benchmarks.service.bench_export_memory --folder /tmp/svp-export \
        --out docs/results/service/export_memory.json

Each text has two imported labels by annotators, each image one. Each export is written by a process
of its own, by the code that a worker runs: its peak is the kernel's (VmHWM), less what it held
before the export began. If memory is constant, that does not grow with the number of labels.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.config import MAX_JOB_LEASE_SECONDS, Settings, environment_without_settings
from app.db.embedded import EmbeddedPostgres
from app.db.migrate import migrate
from app.db.queries import projects
from app.db.queries.exported_labels import LabelFilter
from app.db.session import make_engine, transaction
from app.db.tables import LabelExport
from app.exports.formats import ExportFormat
from app.services.label_exports import LabelExportIn, create_label_export
from app.services.prepared_items import ItemIn
from app.services.projects import ModelChoice
from app.storage.artifacts import ArtifactStore
from tests.benchmarks.rivals import write_facts
from tests.benchmarks.service.bench_files import png_of
from tests.loop import claim_waiting, create_draft, import_lines
from workers.jobs.attempt import Attempt
from workers.jobs.label_exports import run_label_export

MODULE = "tests.benchmarks.service.bench_export_memory"
TABLES = (ExportFormat.JSONL, ExportFormat.CSV, ExportFormat.PARQUET)
WITH_PIXELS = (ExportFormat.IMAGES, ExportFormat.HUGGING_FACE)
IMAGE_SIDE = 96
IMPORTED_AT_ONCE = 500
FILL = (
    """INSERT INTO items (project_id, split, index, external_id, text)
    SELECT :project, 'pool', i, 'item-' || i, repeat('This is review ' || i || '. ', 5)
    FROM generate_series(0, :n - 1) AS i""",
    """INSERT INTO labels (project_id, item_id, annotator_id, class_index, labels_behind)
    SELECT i.project_id, i.id, a.id, i.index % 2, 0
    FROM items AS i CROSS JOIN annotators AS a
    WHERE i.project_id = :project AND a.name IN ('ada', 'bob') ORDER BY i.id, a.id""",
    """INSERT INTO resolved_labels (item_id, project_id, class_index, source, method)
    SELECT id, project_id, index % 2, 'import', 'majority' FROM items
    WHERE project_id = :project""",
    "UPDATE projects SET n_pool = :n, n_imported = :n WHERE id = :project",
    "ANALYZE items, labels, resolved_labels",  # as autovacuum does soon
)


@dataclass(frozen=True)
class Bench:
    """A database and a store in a folder."""

    factory: sessionmaker[Session]
    settings: Settings

    def texts(self, n: int) -> int:
        """Return a project of n labeled texts."""
        with transaction(self.factory) as session:
            project = create_draft(session, f"texts-{n}").id
            session.execute(
                text("INSERT INTO annotators (name) VALUES ('ada'), ('bob') ON CONFLICT DO NOTHING")
            )
            for statement in FILL:
                session.execute(text(statement), {"project": project, "n": n})
        return project

    def images(self, n: int) -> int:
        """Return a project of n labeled images that all differ."""
        with transaction(self.factory) as session:
            proxy = ModelChoice("preact8", {"epochs": 1})
            project = create_draft(session, f"images-{n}", "image", proxy=proxy).id
        rng = np.random.default_rng(0)
        for first in range(0, n, IMPORTED_AT_ONCE):
            lines = [
                ItemIn(f"{number}.png", class_name="ab"[number % 2], image=png_of(rng, IMAGE_SIDE))
                for number in range(first, min(n, first + IMPORTED_AT_ONCE))
            ]
            with transaction(self.factory) as session:
                import_lines(session, self.settings, project, lines)
        return project

    def export(self, project: int, format_: ExportFormat) -> dict[str, Any]:
        """Export a project by a process of its own; return what that says, and the file's size."""
        wanted = LabelExportIn(format_, LabelFilter(), annotators=True)
        with transaction(self.factory) as session:
            row = projects.get(session, project)
            number = create_label_export(session, row, wanted, self.settings)[0].id
        done = subprocess.run(
            [sys.executable, "-m", MODULE, "--project", str(project)],
            env={**environment_without_settings(), **self.settings.to_environment()},
            check=True,
            stdout=subprocess.PIPE,
        )
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        with transaction(self.factory) as session:
            size = session.get_one(LabelExport, number).size_bytes
        return {"format": format_.value, **said, "megabytes": (size or 0) / 1e6}


def write_one(project: int) -> None:
    """Do the project's waiting export in this process; print what it took as JSON."""
    settings = Settings()
    assert settings.database_url is not None
    engine = make_engine(settings.database_url.get_secret_value())
    factory = sessionmaker(engine, expire_on_commit=False)
    claimed = claim_waiting(factory, settings, project)
    assert claimed is not None
    store = ArtifactStore(settings.artifact_store_url)
    attempt = Attempt(claimed, settings, factory, store, lambda: False)
    before, started = _memory("VmRSS"), time.perf_counter()
    run_label_export(attempt, lambda: False)
    seconds = time.perf_counter() - started
    said = {"before": before, "peak": _memory("VmHWM"), "seconds": round(seconds, 2)}
    print(json.dumps({**said, "grown_by": round(said["peak"] - before, 1)}))


def _memory(field: str) -> float:
    """Return a size of this process in MB, by the kernel's name of it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (found,) = (line for line in lines if line.startswith(f"{field}:"))
    return round(int(found.split()[1]) * 1024 / 1e6, 1)


def measured(bench: Bench, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield what each export took, the large ones last."""
    for n in args.images:
        project = bench.images(n)
        for format_ in WITH_PIXELS:
            yield {"n_labels": n, **bench.export(project, format_)}
    for n in args.texts:
        project = bench.texts(n)
        for format_ in TABLES:
            yield {"n_labels": n, **bench.export(project, format_)}


def main() -> None:
    """Print and keep the memory of every export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--texts", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--images", type=int, nargs="+", default=[2_000, 10_000])
    parser.add_argument("--project", type=int, help="Only write this project's waiting export.")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.project is not None:
        write_one(args.project)
        return
    args.folder.mkdir(parents=True, exist_ok=True)
    postgres = EmbeddedPostgres(args.folder / "postgres")
    settings = Settings(
        data_folder=args.folder,
        database_url=SecretStr(postgres.start()),
        job_lease_seconds=MAX_JOB_LEASE_SECONDS,
    )
    assert settings.database_url is not None
    engine = make_engine(settings.database_url.get_secret_value())
    migrate(engine)
    asked = {name: value for name, value in vars(args).items() if name != "project"}
    found = []
    try:
        bench = Bench(sessionmaker(engine, expire_on_commit=False), settings)
        for one in measured(bench, args):
            print(one, flush=True)
            found.append(one)
            write_facts(args.out, asked, {"exports": found}, {"unit": "MB (10^6 bytes)"})
    finally:
        engine.dispose()
        postgres.stop()


if __name__ == "__main__":
    main()
