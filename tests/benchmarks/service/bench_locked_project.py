"""One project is locked for 30 s by hand while 60 annotators poll it: how the others fare.

Claim: p99 of the other project's polls stays under 200 ms, wrong tokens are refused at once, and
readiness is answered; those who poll the locked project hear 503 with `Retry-After`.

    python -m tests.benchmarks.service.bench_locked_project [--seconds 30] [--out FILE.json]
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
from sqlalchemy import text

from app.db.session import transaction
from tests.benchmarks.rivals import write_facts
from tests.benchmarks.service.serving import PORT, Served, serve
from tests.loop import start_labeling

N_POLLERS = 60
N_OTHERS = 4
OUT = Path("docs/results/service/locked_project.json")
LOCKED, OTHER = "locked project", "other project"
FREE_SECONDS = 12.0  # the first third of them, in which the pollers start, does not count
CATCHING_UP = 1.0


class Answer(NamedTuple):
    """An answer: to whose request, when that began since the start, and what it took."""

    kind: str
    began: float
    seconds: float
    status: int


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as served:
        found = _measure(served, given.seconds)
    write_facts(given.out, vars(given), found)
    print(json.dumps(found, indent=2))


def _measure(served: Served, seconds: float) -> dict[str, Any]:
    budgets = {"initial_budget": 500, "total_budget": 900, "reserve": 100}
    locked, other = (
        start_labeling(served.factory, served.settings, name, 1000, **budgets) for name in "ab"
    )
    names = [f"ada-{i}" for i in range(N_POLLERS + N_OTHERS)]
    tokens = [served.token(name) for name in names]
    answers, held = asyncio.run(_load_and_lock(served, tokens, locked, other, seconds))
    phases = {
        "free": [x for x in answers if FREE_SECONDS / 3 <= x.began < held[0] - CATCHING_UP],
        "locked": [x for x in answers if held[0] <= x.began < held[1]],
    }
    return {
        "n_pollers": N_POLLERS,
        "locked_seconds": seconds,
        **{phase: _summaries(found) for phase, found in phases.items()},
    }


async def _load_and_lock(
    served: Served, tokens: list[str], locked: int, other: int, seconds: float
) -> tuple[list[Answer], tuple[float, float]]:
    """Poll both projects, and lock one of them once the pollers have found their rhythm.

    Returns the answers, and from when to when the lock was held, in seconds since the start.
    """
    answers: list[Answer] = []
    started = time.perf_counter()
    until = started + FREE_SECONDS + seconds
    limits = httpx.Limits(max_connections=None)
    url = f"http://127.0.0.1:{PORT}/api/v1"
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=120) as http:

        async def ask(kind: str, path: str, token: str) -> None:
            began = time.perf_counter()
            answer = await http.get(path, headers={"Authorization": f"Bearer {token}"})
            took = time.perf_counter() - began
            answers.append(Answer(kind, began - started, took, answer.status_code))

        async def repeat(once: Callable[[], Awaitable[None]], pause: float, delay: float) -> None:
            await asyncio.sleep(delay)
            while time.perf_counter() < until:
                await once()
                await asyncio.sleep(pause)

        of_locked, of_other = (f"/projects/{p}/next-batch?size=1" for p in (locked, other))
        pollers = [
            repeat(partial(ask, LOCKED, of_locked, token), 1.0, i / N_POLLERS)
            for i, token in enumerate(tokens[:N_POLLERS])
        ]
        others = [
            repeat(partial(ask, OTHER, of_other, token), 0.2, i / 20)
            for i, token in enumerate(tokens[N_POLLERS:])
        ]
        _, held, *_ = await asyncio.gather(
            asyncio.gather(*pollers, *others),
            asyncio.to_thread(_hold, served, locked, started, seconds),
            repeat(partial(ask, "wrong token", of_locked, "svp_wrong"), 0.2, 0.0),
            repeat(partial(ask, "readiness", "/health/ready", "none"), 0.5, 0.0),
        )
    return answers, held


def _hold(served: Served, project: int, started: float, seconds: float) -> tuple[float, float]:
    time.sleep(FREE_SECONDS)
    with transaction(served.factory) as session:
        session.execute(text("SELECT FROM projects WHERE id = :p FOR UPDATE").bindparams(p=project))
        began = time.perf_counter() - started
        time.sleep(seconds)
        return began, time.perf_counter() - started


def _summaries(answers: list[Answer]) -> dict[str, Any]:
    kinds = dict.fromkeys(answer.kind for answer in answers)
    return {kind: _summary([x for x in answers if x.kind == kind]) for kind in kinds}


def _summary(answers: list[Answer]) -> dict[str, Any]:
    seconds = np.asarray([answer.seconds for answer in answers])
    statuses = Counter(answer.status for answer in answers)
    return {
        "n": len(answers),
        "statuses": {str(status): n for status, n in sorted(statuses.items())},
        "p50_ms": round(1000 * float(np.quantile(seconds, 0.5)), 1),
        "p99_ms": round(1000 * float(np.quantile(seconds, 0.99)), 1),
        "max_ms": round(1000 * float(seconds.max()), 1),
    }


if __name__ == "__main__":
    main()
