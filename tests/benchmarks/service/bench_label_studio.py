"""Seconds from an answer in the real Label Studio to the label here, by webhook and by polling.

    python -m tests.benchmarks.service.bench_label_studio --out label_studio.json

Starts Label Studio (tests/label_studio/real.py says where it is looked for) and `svp up`, both on
this machine. Each answer is given alone; the clock runs from the moment that Label Studio has
stored it until the label's row is there. Polling is by the default setting, at random moments.
"""

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.db.embedded import EmbeddedPostgres
from app.db.session import make_engine, transaction
from svp_client import Client
from tests.benchmarks.rivals import machine
from tests.label_studio.real import TOKEN, RealLabelStudio
from tests.support import wait_for
from tests.system.test_label_studio import Service, make_project

POLL_SECONDS = 15.0


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--by-webhook", type=int, default=20)
    parser.add_argument("--by-poll", type=int, default=8)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), given.by_webhook, given.by_poll)
    result = {
        "command": f"python -m tests.benchmarks.service.bench_label_studio --out {given.out}",
        "hardware": f"{os.cpu_count()} cores shared with other work, no GPU",
        "machine": machine(),
        "label_studio": "1.23.2, its development server on SQLite",
        "date": datetime.now(UTC).date().isoformat(),
        "poll_seconds": POLL_SECONDS,
        **found,
    }
    given.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def measure(folder: Path, n_by_webhook: int, n_by_poll: int) -> dict[str, Any]:
    """Return the seconds of both ways."""
    folder.chmod(0o755)  # Postgres runs as a user of its own
    there = RealLabelStudio(folder / "label-studio")
    service = Service(folder)
    service.environment["SVP_LABEL_STUDIO_POLL_SECONDS"] = str(POLL_SECONDS)
    there.start()
    service.start()
    try:
        token = service.svp("token", "create", "root", "--role", "admin", "--all-projects")
        with Client(service.url, token.split()[-1], timeout=60) as client:
            project = make_project(client)
        service.svp(
            "labelstudio", "connect", str(project), "--url", there.url, "--token", TOKEN,
            "--public-url", service.url,
        )  # fmt: skip
        wait_for(lambda: len(there.tasks(1)) == 60, 60)
        tasks = iter([task["id"] for task in there.tasks(1)])
        engine = make_engine(EmbeddedPostgres(folder / "data" / "postgres").url())
        factory = sessionmaker(engine)
        by_webhook = [answer(there, factory, next(tasks), 1.5) for _ in range(n_by_webhook)]
        (webhook,) = there.call("GET", "/api/webhooks/", params={"project": 1})
        there.call("DELETE", f"/api/webhooks/{webhook['id']}/")
        rng = random.Random(1)
        by_poll = [
            answer(there, factory, next(tasks), rng.uniform(0, POLL_SECONDS))
            for _ in range(n_by_poll)
        ]
        engine.dispose()
    finally:
        service.stop()
        there.close()
    return {"by_webhook": summary(by_webhook), "by_poll": summary(by_poll)}


def answer(
    there: RealLabelStudio, factory: sessionmaker[Session], task: int, pause: float
) -> float:
    """Return the seconds from one answer there to its label here, after a pause."""
    time.sleep(pause)
    before = n_labels(factory)
    there.annotate(task, "good", 1)
    start = time.perf_counter()
    while n_labels(factory) == before:
        time.sleep(0.01)
    return time.perf_counter() - start


def n_labels(factory: sessionmaker[Session]) -> int:
    """Return how many labels there are."""
    with transaction(factory) as session:
        return int(session.execute(text("SELECT count(*) FROM labels")).scalar_one())


def summary(seconds: list[float]) -> dict[str, Any]:
    """Return median, largest and all."""
    return {
        "n": len(seconds),
        "median_seconds": round(statistics.median(seconds), 2),
        "max_seconds": round(max(seconds), 2),
        "seconds": [round(s, 2) for s in seconds],
    }


if __name__ == "__main__":
    main()
