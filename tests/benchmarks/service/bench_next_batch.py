"""Time of `next-batch` over HTTP while 50 annotators poll, by size of the pool and by labels.

    python -m tests.benchmarks.service.bench_next_batch --folder /tmp/svp-bench \
        --out docs/results/service/next_batch.json

Each annotator polls for 10 items once a second (`--period`), gives them back and so leases anew at
the next poll; a second run without pause says how many polls a second one API process serves. The
folder keeps the filled database: with `--seconds 0` the script only fills it.
"""

import argparse
import asyncio
import random
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db.session import transaction
from app.services.lifecycle import start_project
from tests.benchmarks.rivals import write_facts
from tests.benchmarks.service.serving import Served, Wire, milliseconds, serve, wires
from tests.loop import create_draft, publish_in_order

N_BATCH, N_RESERVE = 5_000, 2_500
FILL_ITEMS = """
INSERT INTO items (project_id, split, index, external_id, text)
SELECT :project, 'pool', i, 'r-' || i, 'review number ' || i || ' of a product that was delivered'
FROM generate_series(0, :n - 1) AS i
"""
FILL_LABELS = [
    """INSERT INTO batch_items (project_id, round_id, item_id, source, rank, score, state,
        resolved_at)
    SELECT :project, :round, id, 'batch', index, 0, 'labeled', now() FROM items
    WHERE project_id = :project AND index >= :first""",
    """INSERT INTO batch_item_slots (batch_item_id, slot, project_id, leased_by, filled)
    SELECT id, 1, project_id, :annotator, true FROM batch_items WHERE round_id = :round""",
    """INSERT INTO labels (project_id, item_id, annotator_id, batch_item_id, class_index,
        labels_behind)
    SELECT project_id, item_id, :annotator, id, rank % 2, 0 FROM batch_items
    WHERE round_id = :round""",
    """INSERT INTO resolved_labels (item_id, project_id, class_index, source, round_number,
        label_version)
    SELECT item_id, project_id, rank % 2, 'annotator', 0, 1 FROM batch_items
    WHERE round_id = :round""",
    """UPDATE projects SET n_labeled = n_labeled + :n, label_version = 1 WHERE id = :project""",
]


def fill(served: Served, name: str, n_items: int, n_labels: int) -> int:
    """Return the id of a running project of this size, made if it is not there yet."""
    with transaction(served.factory) as session:
        found = session.scalar(
            text("SELECT id FROM projects WHERE name = :name").bindparams(name=name)
        )
        if found is not None:
            return int(found)
        project = create_draft(
            session,
            name,
            initial_budget=N_BATCH,
            round_budget=N_BATCH,
            total_budget=n_labels + n_items,
            reserve=N_RESERVE,
        )
        values = {"project": project.id, "n": n_items}
        session.execute(text(FILL_ITEMS), values)
        project.n_pool = n_items
        session.flush()
        if n_labels:
            _fill_labels(session, project.id, n_items, n_labels)
        session.refresh(project)
        project.total_budget = n_items
        start_project(session, project.id)
    publish_in_order(served.factory, served.settings, project.id, N_BATCH + N_RESERVE)
    with served.factory.kw["bind"].connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))
    return project.id


def _fill_labels(session: Session, project: int, n_items: int, n_labels: int) -> None:
    """Label the last items of the pool in a round that is over."""
    annotator = session.scalar(text("INSERT INTO annotators (name) VALUES ('before') RETURNING id"))
    round_ = session.scalar(
        text(
            "INSERT INTO rounds (project_id, number, state, strategy, budget) "
            "VALUES (:project, 0, 'completed', 'uniform', :n) RETURNING id"
        ).bindparams(project=project, n=n_labels)
    )
    for statement in FILL_LABELS:
        session.execute(
            text(statement),
            {
                "project": project, "round": round_, "annotator": annotator,
                "first": n_items - n_labels, "n": n_labels,
            },
        )  # fmt: skip


async def poll(wire: Wire, project: int, period: float, until: float, delay: float) -> list[float]:
    """Poll until the loop's clock says so; return the seconds of each poll."""
    clock = asyncio.get_running_loop().time
    await asyncio.sleep(delay)
    seconds = []
    while (started := clock()) < until:
        took, answer = await wire.ask("GET", f"/projects/{project}/next-batch?size=10")
        assert len(answer["items"]) == 10
        seconds.append(took)
        await wire.ask("POST", f"/projects/{project}/leases/release", {})
        await asyncio.sleep(max(0.0, started + period - clock()))
    return seconds


async def measure(
    tokens: list[str], project: int, seconds: float, period: float, rng: random.Random
) -> dict[str, Any]:
    """Return latencies and throughput of all pollers together."""
    async with wires(tokens) as opened:
        until = asyncio.get_running_loop().time() + seconds
        found = await asyncio.gather(
            *[poll(wire, project, period, until, period * rng.random()) for wire in opened]
        )
    polls = [x for one in found for x in one]
    return {**milliseconds(polls), "polls_per_second": round(len(polls) / seconds, 1)}


def main() -> None:
    """Print and keep latencies of each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument(
        "--sizes", nargs="+", default=["10000", "1000000", "1000000+1000000", "5000000"],
        help="items, or items+labels",
    )  # fmt: skip
    parser.add_argument("--pollers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=25.0)
    parser.add_argument("--period", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with serve(args.folder) as served:
        projects = {}
        for size in args.sizes:
            n_items, _, n_labels = size.partition("+")
            n = int(n_items) + int(n_labels or 0)
            projects[size] = fill(served, size, n, int(n_labels or 0))
        if args.seconds <= 0:
            return
        tokens = [served.token(f"poller {i}") for i in range(args.pollers)]
        results: dict[str, list[dict[str, Any]]] = {size: [] for size in projects}
        for size in args.sizes:
            asyncio.run(measure(tokens, projects[size], 2.0, 0.2, rng))
        for _ in range(args.repeats):
            for size, project in projects.items():
                found = asyncio.run(measure(tokens, project, args.seconds, args.period, rng))
                print(f"{size:>20}: {found}", flush=True)
                results[size].append(found)
        largest = projects[args.sizes[-1]]
        closed = asyncio.run(measure(tokens, largest, 5.0, 0.0, rng))
        print(f"{'without pause':>20}: {closed}", flush=True)
    write_facts(args.out, vars(args), {"next_batch_ms": results, "without_pause_ms": closed})


if __name__ == "__main__":
    main()
