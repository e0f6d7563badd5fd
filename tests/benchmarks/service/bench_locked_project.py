"""One project is locked for 30 s by hand while 60 annotators poll it: how the others fare.

Claim: p99 of the other project's polls stays under 200 ms, wrong tokens are refused at once, and
readiness is answered; those who poll the locked project hear 503 with `Retry-After`.

    python -m tests.benchmarks.service.bench_locked_project [--seconds 30] [--out FILE.json]
"""

import argparse
import asyncio
import json
import os
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from sqlalchemy import text

from app.db.session import transaction
from tests.benchmarks.service.serving import PORT, Served, serve
from tests.loop import start_labeling

N_POLLERS = 60
N_OTHERS = 4
OUT = Path("docs/results/service/locked_project.json")
Answer = tuple[float, int]  # seconds, status


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as served:
        found = _measure(served, given.seconds)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


def _measure(served: Served, seconds: float) -> dict[str, Any]:
    budgets = {"initial_budget": 500, "total_budget": 900, "reserve": 100}
    locked, other = (
        start_labeling(served.factory, served.settings, name, 1000, **budgets) for name in "ab"
    )
    names = [f"ada-{i}" for i in range(N_POLLERS + N_OTHERS)]
    tokens = [served.token(name) for name in names]
    free = asyncio.run(_load(tokens, locked, other, seconds / 3))
    has_lock, end = threading.Event(), threading.Event()
    holder = threading.Thread(target=_hold, args=(served, locked, has_lock, end))
    holder.start()
    has_lock.wait()
    during = asyncio.run(_load(tokens, locked, other, seconds))
    end.set()
    holder.join()
    return {
        "n_pollers": N_POLLERS,
        "locked_seconds": seconds,
        "cores": os.cpu_count(),
        "free": {name: _summary(answers) for name, answers in free.items()},
        "locked": {name: _summary(answers) for name, answers in during.items()},
    }


def _hold(served: Served, project: int, has_lock: threading.Event, end: threading.Event) -> None:
    with transaction(served.factory) as session:
        session.execute(text("SELECT FROM projects WHERE id = :p FOR UPDATE").bindparams(p=project))
        has_lock.set()
        end.wait()


async def _load(
    tokens: list[str], locked: int, other: int, seconds: float
) -> dict[str, list[Answer]]:
    answers: dict[str, list[Answer]] = {
        "locked project": [], "other project": [], "wrong token": [], "readiness": []
    }  # fmt: skip
    until = time.perf_counter() + seconds
    limits = httpx.Limits(max_connections=None)
    url = f"http://127.0.0.1:{PORT}/api/v1"
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=120) as http:

        def ask(kind: str, path: str, token: str) -> Callable[[], Awaitable[None]]:
            async def once() -> None:
                started = time.perf_counter()
                answer = await http.get(path, headers={"Authorization": f"Bearer {token}"})
                answers[kind].append((time.perf_counter() - started, answer.status_code))

            return once

        async def repeat(once: Callable[[], Awaitable[None]], pause: float) -> None:
            while time.perf_counter() < until:
                await once()
                await asyncio.sleep(pause)

        of_locked, of_other = (f"/projects/{p}/next-batch?size=1" for p in (locked, other))
        await asyncio.gather(
            *(repeat(ask("locked project", of_locked, t), 1.0) for t in tokens[:N_POLLERS]),
            *(repeat(ask("other project", of_other, t), 0.2) for t in tokens[N_POLLERS:]),
            repeat(ask("wrong token", of_locked, "svp_wrong"), 0.2),
            repeat(ask("readiness", "/health/ready", "none"), 0.5),
        )
    return answers


def _summary(answers: list[Answer]) -> dict[str, Any]:
    seconds = np.asarray([s for s, _ in answers])
    statuses = sorted({status for _, status in answers})
    return {
        "n": len(answers),
        "statuses": {str(s): sum(status == s for _, status in answers) for s in statuses},
        "p50_ms": round(1000 * float(np.quantile(seconds, 0.5)), 1),
        "p99_ms": round(1000 * float(np.quantile(seconds, 0.99)), 1),
        "max_ms": round(1000 * float(seconds.max()), 1),
    }


if __name__ == "__main__":
    main()
