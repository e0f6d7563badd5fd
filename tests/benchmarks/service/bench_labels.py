"""Labels over HTTP: one at a time, and batches of 100 by 50 annotators against bare psycopg.

    python -m tests.benchmarks.service.bench_labels --folder /tmp/svp-bench \
        --out docs/results/service/labels.json

The peer inserts rows of the same batches into the same `labels` table, indexes in place, one
transaction a batch, from as many connections as there are annotators. The service also checks each
label, fills its slot, resolves it and counts it. Both take turns; each works on a round of its own.
"""

import argparse
import asyncio
import statistics
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import text

from app.db.session import transaction
from tests.benchmarks.rivals import Measured, Rival, compare, write_facts
from tests.benchmarks.service.serving import Served, Wire, milliseconds, serve, wires
from tests.loop import annotator, start_labeling

SIZE = 100
INSERT = """INSERT INTO labels
(project_id, item_id, annotator_id, batch_item_id, class_index, labels_behind)
VALUES (%s, %s, %s, %s, %s, 0)"""


class Sides:
    """Both sides, each on a fresh round of `annotators x batches x 100` items."""

    def __init__(self, served: Served, n_annotators: int, n_batches: int) -> None:
        self.served, self.n_batches = served, n_batches
        self.names = [f"annotator {i}" for i in range(n_annotators)]
        self.tokens = [served.token(name) for name in self.names]

    def start_round(self, n_items: int) -> int:
        """Return a new project whose round holds this many items; the one before is deleted."""
        with transaction(self.served.factory) as session:
            session.execute(text("DELETE FROM projects"))
        return start_labeling(
            self.served.factory,
            self.served.settings,
            f"labels-{time.time_ns()}",
            n_items,
            initial_budget=n_items - 1,  # the last label would end the round
            total_budget=n_items,
            reserve=1,
        )

    def post(self) -> Measured:
        """Let the annotators post their batches; the seconds from the first to the last answer."""
        project = self.start_round(len(self.names) * self.n_batches * SIZE)
        return Measured(asyncio.run(self._post_all(project)))

    async def _post_all(self, project: int) -> float:
        async with wires(self.tokens) as opened:
            leased = await asyncio.gather(*[self._lease(wire, project) for wire in opened])
            started = time.perf_counter()
            await asyncio.gather(
                *[self._post(w, project, b) for w, b in zip(opened, leased, strict=True)]
            )
            return time.perf_counter() - started

    async def _lease(self, wire: Wire, project: int) -> list[int]:
        size = min(1000, self.n_batches * SIZE)
        _, batch = await wire.ask("GET", f"/projects/{project}/next-batch?size={size}")
        return [item["item_id"] for item in batch["items"]]

    async def _post(self, wire: Wire, project: int, items: list[int]) -> None:
        for start in range(0, len(items), SIZE):
            part = items[start : start + SIZE]
            body = {"labels": [{"item_id": i, "class": "ab"[i % 2]} for i in part]}
            _, answer = await wire.ask("POST", f"/projects/{project}/labels", body)
            assert all(outcome["status"] == "created" for outcome in answer["results"])

    def insert(self) -> Measured:
        """Insert rows of the same batches by psycopg."""
        project = self.start_round(len(self.names) * self.n_batches * SIZE)
        with transaction(self.served.factory) as session:
            rows = session.execute(
                text("SELECT item_id, id FROM batch_items WHERE project_id = :p").bindparams(
                    p=project
                )
            ).all()
        ids = [annotator(self.served.factory, name) for name in self.names]
        return Measured(asyncio.run(self._insert_all(project, ids, [tuple(row) for row in rows])))

    async def _insert_all(self, project: int, ids: list[int], rows: list[tuple[int, int]]) -> float:
        url = self.served.database_url
        connections = [await psycopg.AsyncConnection.connect(url) for _ in ids]
        share = len(rows) // len(ids)

        async def insert(i: int) -> None:
            for start in range(i * share, (i + 1) * share, SIZE):
                part = rows[start : start + SIZE]
                values = [(project, item, ids[i], batch, item % 2) for item, batch in part]
                async with connections[i].cursor() as cursor:
                    await cursor.executemany(INSERT, values)
                await connections[i].commit()

        started = time.perf_counter()
        await asyncio.gather(*[insert(i) for i in range(len(ids))])
        seconds = time.perf_counter() - started
        for connection in connections:
            await connection.close()
        return seconds

    def single(self, n: int) -> dict[str, Any]:
        """Return latencies of single labels posted one after another by one annotator."""
        project = self.start_round(n + 1)
        return asyncio.run(self._single(project, n))

    async def _single(self, project: int, n: int) -> dict[str, Any]:
        seconds: list[float] = []
        async with wires(self.tokens[:1]) as (wire,):
            while len(seconds) < n:
                _, batch = await wire.ask("GET", f"/projects/{project}/next-batch?size=100")
                for item in batch["items"]:
                    body = {"labels": [{"item_id": item["item_id"], "class": "a"}]}
                    took, _ = await wire.ask("POST", f"/projects/{project}/labels", body)
                    seconds.append(took)
        return dict(milliseconds(seconds))


def deadlocks(served: Served) -> int:
    """Return how many deadlocks Postgres has counted in this database."""
    with transaction(served.factory) as session:
        found = session.scalar(
            text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        )
        return int(found or 0)


def main() -> None:
    """Print and keep latencies, seconds of both sides, and the count of deadlocks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    for name, default in [
        ("annotators", 50), ("batches", 4), ("singles", 500), ("repeats", 3), ("seed", 0),
    ]:  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with serve(args.folder) as served:
        sides = Sides(served, args.annotators, args.batches)
        singles = [sides.single(args.singles) for _ in range(args.repeats)]
        print(singles)
        outcomes = compare(
            Rival("bare psycopg", sides.insert), [Rival("POST labels", sides.post)], args.repeats
        )
        n_deadlocks = deadlocks(served)
        print(f"deadlocks: {n_deadlocks}")
    median = statistics.median(single["p50"] for single in singles)
    results = {
        "single_ms": singles,
        "single_p50_ms": median,
        "batches": [asdict(o) for o in outcomes],
    }
    write_facts(args.out, vars(args), results, {"deadlocks": n_deadlocks})


if __name__ == "__main__":
    main()
