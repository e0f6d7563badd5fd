"""Seconds from an event to its arrival at a webhook, and what webhooks cost who writes events.

    python -m tests.benchmarks.service.bench_webhooks --folder /tmp/svp-bench-webhooks \
        --out docs/results/service/webhooks.json

A worker process sends; the receiver is this process, on the loopback. `alone`: events one after the
other, from just before their transaction to the request's arrival. `beside_hanging`: the same while
12 webhooks of another project have receivers that never answer. `at_once`: events of one webhook
that wait already, messages a second. `append_ms`: a transaction that writes one event, by how many
webhooks want it.
"""

import argparse
import os
import threading
import time
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import text

from app.config import Settings
from app.db.embedded import EmbeddedPostgres
from app.db.migrate import migrate
from app.db.queries import events
from app.db.session import make_engine, make_session_factory, transaction
from app.services.webhooks import WebhookIn, create_webhook
from tests.benchmarks.rivals import write_facts
from tests.benchmarks.service.serving import milliseconds, worker
from tests.loop import Factory, create_draft
from tests.receivers import OK, Received, Receiver, after, receiving

WAIT_SECONDS = 60.0


class Bench:
    """The projects and receivers of one run."""

    def __init__(self, factory: Factory, settings: Settings) -> None:
        self.factory, self.settings = factory, settings

    def project(self, name: str) -> int:
        """Return a new project."""
        with transaction(self.factory) as session:
            return create_draft(session, f"{name} {time.time()}").id

    def subscribe(self, project: int, url: str) -> None:
        """Create a webhook that wants what `happen` writes."""
        with transaction(self.factory) as session:
            create_webhook(session, project, WebhookIn(url, ["item.flagged"]), self.settings)

    def happen(self, project: int) -> None:
        """Write one event."""
        with transaction(self.factory) as session:
            events.append(session, project, "item.flagged", {"item": 1})

    def delays(self, project: int, receiver: Receiver, n: int) -> list[float]:
        """Return the seconds from before each event's transaction to its arrival."""
        arrived = threading.Event()

        def answer(_: Received) -> tuple[int, dict[str, str]]:
            arrived.set()
            return OK

        receiver.answer = answer
        found = []
        for _ in range(n):
            arrived.clear()
            started = time.perf_counter()
            self.happen(project)
            assert arrived.wait(WAIT_SECONDS)
            found.append(time.perf_counter() - started)
            time.sleep(0.05)
        return found

    def append_seconds(self, n_webhooks: int, n: int) -> list[float]:
        """Return the seconds of transactions that write one event that so many webhooks want."""
        project = self.project(f"append {n_webhooks}")
        for _ in range(n_webhooks):
            self.subscribe(project, "http://127.0.0.1:9/")
        with transaction(self.factory) as session:  # their workers would share the cores
            session.execute(text("UPDATE webhooks SET retry_at = now() + interval '1 day'"))
        found = []
        for _ in range(n):
            started = time.perf_counter()
            self.happen(project)
            found.append(time.perf_counter() - started)
        return found


def run(bench: Bench, n: int) -> dict[str, Any]:
    """Return what was measured."""
    found: dict[str, Any] = {"load_average": os.getloadavg()[0]}
    hanging = threading.Event()
    with receiving() as receiver, receiving() as dead:
        project, other = bench.project("quick"), bench.project("hanging")
        bench.subscribe(project, receiver.url)
        with worker(bench.settings):
            bench.delays(project, receiver, 3)  # the worker has started
            found["alone_ms"] = milliseconds(bench.delays(project, receiver, n))
            dead.answer = after(hanging, 600)
            for _ in range(12):
                bench.subscribe(other, dead.url)
            bench.happen(other)
            time.sleep(1.0)
            found["beside_hanging_ms"] = milliseconds(bench.delays(project, receiver, n))
            hanging.set()
        receiver.answer = lambda _: OK
        receiver.received.clear()
        for _ in range(5 * n):
            bench.happen(project)
        with worker(bench.settings):
            while not receiver.received:
                time.sleep(0.01)
            started = time.perf_counter()
            while len(receiver.received) < 5 * n:
                time.sleep(0.01)
            found["at_once_per_second"] = round(5 * n / (time.perf_counter() - started), 1)
    for n_webhooks in (0, 1, 20):
        seconds = bench.append_seconds(n_webhooks, n)
        found[f"append_ms_{n_webhooks}_webhooks"] = milliseconds(seconds)
    return found


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    postgres = EmbeddedPostgres(given.folder / "postgres")
    settings = Settings(
        data_folder=given.folder,
        database_url=SecretStr(postgres.start()),
        webhook_hosts=("127.0.0.1",),
    )
    assert settings.database_url is not None
    engine = make_engine(settings.database_url.get_secret_value())
    try:
        migrate(engine)
        results = run(Bench(make_session_factory(engine, None), settings), given.n)
    finally:
        engine.dispose()
        postgres.stop()
    write_facts(given.out, vars(given), results)


if __name__ == "__main__":
    main()
