"""Polls of 50 annotators who give their items back: this code against an earlier one, in turns.

    git worktree add ../before COMMIT
    python -m tests.benchmarks.service.bench_polls --folder /tmp/svp-bench --before ../before \
        --out docs/results/service/polls.json

Both sides are an API process of their own on the same database and project. In state `batch` the
round's batch is free; in state `reserve` an admin holds all 1,000 items that are left of it, as
at the end of a round, and the annotators get reserve. Each annotator polls once a second; a second
run without pause says how many polls, each followed by a release, a side answers. CPU
milliseconds are those of such a pair in that run, of the API, of Postgres and of this client.
"""

import argparse
import asyncio
import random
import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text

from app.config import Settings
from app.db.session import transaction
from app.services.lifecycle import start_project
from tests.benchmarks.rivals import write_facts
from tests.benchmarks.service.bench_next_batch import FILL_ITEMS
from tests.benchmarks.service.serving import (
    Served,
    Wire,
    milliseconds,
    serve,
    serve_api,
    wires,
)
from tests.loop import annotator, create_draft, publish_in_order

N_BATCH, N_RESERVE = 1_000, 5_000
SIZE = 2
HOLD = """UPDATE batch_item_slots AS slot
SET leased_by = :admin, leased_until = now() + interval '1 day'
FROM batch_items AS item
WHERE slot.batch_item_id = item.id AND item.project_id = :project AND item.source = 'batch'"""
FREE = """UPDATE batch_item_slots SET leased_by = NULL, leased_until = NULL
WHERE project_id = :project AND NOT filled AND leased_by IS NOT NULL"""


def fill(served: Served, n_items: int) -> int:
    """Return the id of a running project of this size, made if it is not there yet."""
    name = f"polls {n_items}"
    with transaction(served.factory) as session:
        found = session.scalar(
            text("SELECT id FROM projects WHERE name = :name").bindparams(name=name)
        )
        if found is not None:
            return int(found)
        project = create_draft(
            session, name, initial_budget=N_BATCH, round_budget=N_BATCH, total_budget=n_items,
            reserve=N_RESERVE,
        )  # fmt: skip
        session.execute(text(FILL_ITEMS), {"project": project.id, "n": n_items})
        project.n_pool = n_items
        session.flush()
        start_project(session, project.id)
    publish_in_order(served.factory, served.settings, project.id, N_BATCH + N_RESERVE)
    return project.id


def set_state(served: Served, project: int, state: str) -> None:
    """Free every lease; in state `reserve` an admin then holds the batch."""
    admin = annotator(served.factory, "admin")
    with transaction(served.factory) as session:
        session.execute(text(FREE), {"project": project})
        if state == "reserve":
            session.execute(text(HOLD), {"project": project, "admin": admin})
    with served.factory.kw["bind"].connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))


async def poll(
    wire: Wire, project: int, period: float, until: float, delay: float, polls: list[float]
) -> None:
    """Poll and give back until the loop's clock says so; note the seconds of each poll."""
    clock = asyncio.get_running_loop().time
    await asyncio.sleep(delay)
    while (started := clock()) < until:
        took, answer = await wire.ask("GET", f"/projects/{project}/next-batch?size={SIZE}")
        assert len(answer["items"]) == SIZE
        polls.append(took)
        await wire.ask("POST", f"/projects/{project}/leases/release", {})
        await asyncio.sleep(max(0.0, started + period - clock()))


async def poll_all(
    tokens: list[str], project: int, port: int, seconds: float, period: float
) -> list[float]:
    """Return the seconds of all polls."""
    polls: list[float] = []
    async with wires(tokens, port) as opened:
        until = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(
            *[
                poll(wire, project, period, until, period * random.random(), polls)
                for wire in opened
            ]
        )
    return polls


class Side:
    """One API on the shared database."""

    def __init__(self, name: str, api: psutil.Process, settings: Settings) -> None:
        self.name, self.api = name, api
        self.port, self.folder = settings.port, settings.data_folder
        self.turns: dict[str, list[dict[str, Any]]] = {"batch": [], "reserve": []}

    def measure(self, tokens: list[str], project: int, state: str, seconds: float) -> None:
        """Poll with and without pause; keep what was found."""
        asyncio.run(poll_all(tokens, project, self.port, 1.0, 0.2))
        paced = asyncio.run(poll_all(tokens, project, self.port, seconds, 1.0))
        before = self._cpu()
        closed = asyncio.run(poll_all(tokens, project, self.port, seconds, 0.0))
        spent = {name: after - before[name] for name, after in self._cpu().items()}
        found = {
            "once_a_second_ms": milliseconds(paced),
            "without_pause_ms": milliseconds(closed),
            "pairs_per_second": round(len(closed) / seconds, 1),
            "cpu_ms_per_pair": {
                name: round(1000 * cpu / len(closed), 2) for name, cpu in spent.items()
            },
        }
        print(f"{self.name:>6}, {state}: {found}", flush=True)
        self.turns[state].append(found)

    def _cpu(self) -> Mapping[str, float]:
        postgres = postgres_processes(self.folder)
        kinds = {"api": [self.api], "client": [psutil.Process()], "postgres": postgres}
        return {name: sum(map(cpu_seconds, found)) for name, found in kinds.items()}


def postgres_processes(folder: Path) -> list[psutil.Process]:
    """Return the processes of the Postgres whose data lie below the folder."""
    (pid,) = [int(path.read_text().split()[0]) for path in folder.rglob("postmaster.pid")]
    postmaster = psutil.Process(pid)
    return [postmaster, *postmaster.children()]


def cpu_seconds(process: psutil.Process) -> float:
    """Return what a process has used so far; 0 once it is gone."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def ratio(now: Side, before: Side, state: str) -> dict[str, float]:
    """Return how many times as many pairs this code answers: median, least and most."""
    ratios = [
        ours["pairs_per_second"] / theirs["pairs_per_second"]
        for ours, theirs in zip(now.turns[state], before.turns[state], strict=True)
    ]
    return {
        name: round(value, 2)
        for name, value in [
            ("median", statistics.median(ratios)), ("least", min(ratios)), ("most", max(ratios)),
        ]
    }  # fmt: skip


def main() -> None:
    """Print and keep latencies, throughput and CPU of both sides, and the ratio of throughput."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--before", type=Path, help="Folder of the earlier source.")
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--pollers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with ExitStack() as stack:
        served = stack.enter_context(serve(args.folder))
        sides = [Side("now", served.api, served.settings)]
        if args.before:
            settings = served.settings.model_copy(update={"port": served.settings.port + 1})
            api = stack.enter_context(serve_api(settings, args.before))
            sides.append(Side("before", api, settings))
        project = fill(served, args.items)
        tokens = [served.token(f"poller {i}") for i in range(args.pollers)]
        for _ in range(args.repeats):
            for state in ("batch", "reserve"):
                for side in sides:
                    set_state(served, project, state)
                    side.measure(tokens, project, state, args.seconds)
    results: dict[str, Any] = {side.name: side.turns for side in sides}
    if args.before:
        results["pairs_now_over_before"] = {
            state: ratio(sides[0], sides[1], state) for state in ("batch", "reserve")
        }
        print(results["pairs_now_over_before"])
    write_facts(args.out, vars(args), results)


if __name__ == "__main__":
    main()
