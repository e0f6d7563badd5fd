"""The lead's pages at a million items: 20 browsers' worth of requests beside a training.

    python -m tests.benchmarks.pages.bench_pages --folder /tmp/svp-bench \
        --out docs/results/pages/pages.json

The project has a million texts, 200,000 labels of 20 annotators in 20 rounds, 20 models and a map
(`large_project.py`). First every request is sent alone, some times, which gives its milliseconds
and the CPU milliseconds of API and Postgres. Then 20 clients walk the pages for a while, each in an
order of its own, and read a page between one and three seconds; they send what the pages' scripts
send, too: the parts of the overview that follow by themselves, curve, agreement, map and progress.
A worker trains a proxy of another project all the while, and two annotators poll for items.
"""

import argparse
import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from app.api.deps import SESSION_COOKIE
from app.config import environment_without_settings
from app.db.queries import jobs
from app.db.session import transaction
from app.db.tables import Split
from app.services.lifecycle import start_project
from app.services.prepared_items import ItemIn
from app.services.projects import ModelChoice
from tests.benchmarks.pages.bench_label import signed_in
from tests.benchmarks.pages.large_project import LargeProject, fill
from tests.benchmarks.rivals import write_facts
from tests.benchmarks.service.bench_polls import cpu_seconds, postgres_processes
from tests.benchmarks.service.serving import PORT, Served, milliseconds, serve
from tests.loop import create_draft, import_lines
from tests.support import wait_for

TIMEOUT = 120
# A page, and what its scripts ask for; {p}: the project's pages, {a}: its routes of the API.
WALK: dict[str, list[str]] = {
    "/": [],
    "{p}": ["{a}/learning-curve", "{a}/advice", "{p}/live", "{p}/progress", "{p}/live"],
    "{p}/items": [],
    "{p}/items?view=list": [],
    "{p}/items?cursor=700000": [],
    "{p}/items?state=unlabeled": [],
    "{p}/items?state=labeled&class=praise": [],
    "{p}/items?class=other&cursor=90000": [],
    "{p}/items?disputed=true": [],
    "{p}/items?disputed=true&cursor=99000": [],
    "{p}/items?flagged=true": [],
    "{p}/items?gold=true": [],
    "{p}/items?annotator=annotator+7": [],
    "{p}/items?round=11&min_score=0.5": [],
    "{p}/items?search=kettle": [],
    "{p}/items?search=Review+999999": [],
    "{p}/items?split=evaluation": [],
    "{p}/items/{item}": [],
    "{p}/models": [],
    "{p}/models/{model}": [],
    "{p}/annotators": ["{p}/annotators/agreement"],
    "{p}/people": [],
    "{p}/rounds": [],
    "{p}/rounds/11": [],
    "{p}/map": ["{a}/map"],
    "{p}/jobs": ["{p}/jobs"],
    "{p}/jobs/{job}": [],
    "{p}/import": [],
    "{p}/exports": [],
    "{p}/label-errors": [],
    "{p}/settings": [],
    "{p}/label": ["{a}/progress"],
}
PARTS = sorted({part for parts in WALK.values() for part in parts})


class Browser:
    """One kept-alive connection of a person who is signed in."""

    def __init__(self, secret: str, project: LargeProject) -> None:
        self._cookie = f"{SESSION_COOKIE}={secret}"
        self._names = {
            "p": f"/projects/{project.id}", "a": f"/api/v1/projects/{project.id}",
            "item": project.item, "model": project.model, "job": project.job,
        }  # fmt: skip
        self._connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=TIMEOUT)

    def ask(self, path: str) -> float:
        """Return the seconds until the whole answer was here.

        Raises:
            RuntimeError: the answer is no success.
        """
        accept = "application/json" if path.startswith("{a}") else "text/html"
        headers = {"Cookie": self._cookie, "Accept": accept}
        started = time.perf_counter()
        self._connection.request("GET", path.format(**self._names), headers=headers)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status}")
        return time.perf_counter() - started


def ask_alone(served: Served, browser: Browser, repeats: int) -> dict[str, Any]:
    """Return path -> milliseconds and CPU milliseconds of API and Postgres, one by one."""
    found = {}
    for path in [*WALK, *PARTS]:
        browser.ask(path)
        before = _cpu(served)
        seconds = [browser.ask(path) for _ in range(repeats)]
        spent = {name: after - before[name] for name, after in _cpu(served).items()}
        found[path] = {
            "median_ms": round(1000 * sorted(seconds)[repeats // 2], 1),
            **{f"{k}_cpu_ms": round(1000 * v / repeats, 1) for k, v in spent.items()},
        }
        print(path, found[path], flush=True)
    return found


def _cpu(served: Served) -> dict[str, float]:
    postmaster, *others = postgres_processes(served.settings.data_folder)
    ended = postmaster.cpu_times()  # parallel workers of statements among them
    postgres = [ended.children_user, ended.children_system, *map(cpu_seconds, others)]
    return {"api": cpu_seconds(served.api), "postgres": sum(postgres)}


def walk(browser: Browser, rng: random.Random, until: float, times: dict[str, list[float]]) -> None:
    """Walk the pages until then; note the seconds of every request."""
    time.sleep(3 * rng.random())
    while True:
        pages = list(WALK)
        rng.shuffle(pages)
        for page in pages:
            for path in (page, *WALK[page]):
                if time.monotonic() > until:
                    return
                times[path].append(browser.ask(path))
            time.sleep(rng.uniform(1, 3))


def walk_all(browsers: Sequence[Browser], seconds: float) -> dict[str, list[float]]:
    """Return path -> seconds of each request of all browsers.

    Raises:
        RuntimeError: a request failed.
    """
    until = time.monotonic() + seconds
    times: dict[str, list[float]] = {path: [] for path in [*WALK, *PARTS]}
    faults: list[BaseException] = []

    def run(browser: Browser, seed: int) -> None:
        try:
            walk(browser, random.Random(seed), until, times)
        except Exception as error:  # noqa: BLE001 - raised below, in the main thread
            faults.append(error)

    threads = [threading.Thread(target=run, args=(b, i)) for i, b in enumerate(browsers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise RuntimeError(f"{len(faults)} browsers failed") from faults[0]
    return times


@contextmanager
def training(served: Served) -> Iterator[None]:
    """Let a worker train the proxy of a project of its own during the block.

    Raises:
        RuntimeError: it did not train from the beginning to the end.
    """
    long = ModelChoice("fasttext", {"epochs": 10_000, "minibatch": 64})
    with transaction(served.factory) as session:
        name = f"training {random.random()}"
        project = create_draft(session, name, proxy=long, strategy="least_confidence").id
        known = [ItemIn(f"k-{i}", Split.POOL, "ab"[i % 2], f"text {i}") for i in range(12_000)]
        import_lines(session, served.settings, project, known)
        new = [ItemIn(f"n-{i}", text=f"text {i}") for i in range(100)]
        import_lines(session, served.settings, project, new)
        start_project(session, project)
    worker = subprocess.Popen(
        [sys.executable, "-m", "workers.cli.main", "worker"],
        env={**environment_without_settings(), **served.settings.to_environment()},
    )

    def is_training() -> bool:
        with transaction(served.factory) as session:
            return any("epoch" in job.progress for job in jobs.live_of_projects(session, [project]))

    try:
        wait_for(is_training, 180)
        yield
        if not is_training():
            raise RuntimeError("The training ended before the measurement.")
    finally:
        worker.terminate()
        worker.wait(60)


@contextmanager
def annotators(served: Served, project: LargeProject, n: int) -> Iterator[None]:
    """Let `n` annotators poll for items once a second during the block."""
    done = threading.Event()

    def poll(token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=TIMEOUT)
        while not done.wait(1):
            connection.request(
                "GET", f"/api/v1/projects/{project.id}/next-batch?size=5", headers=headers
            )
            connection.getresponse().read()

    tokens = [served.token(f"poller {i}") for i in range(n)]
    threads = [threading.Thread(target=poll, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    yield
    done.set()
    for thread in threads:
        thread.join()


def busy_cores(seconds: float) -> float:
    """Return how many cores are busy, whoever keeps them so."""
    share = float(psutil.cpu_percent(seconds)) / 100
    return round(share * (os.cpu_count() or 1), 2)


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--browsers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    with serve(args.folder) as served:
        project = fill(served, args.items)
        browsers = [Browser(signed_in(served), project) for _ in range(args.browsers)]
        alone = ask_alone(served, browsers[0], args.repeats)
        with training(served), annotators(served, project, 2):
            beside = busy_cores(5)
            before = _cpu(served)
            times = walk_all(browsers, args.seconds)
            spent = {name: after - before[name] for name, after in _cpu(served).items()}
            load = os.getloadavg()[0]
    pages = [seconds for path in WALK for seconds in times[path]]
    parts = [seconds for path in PARTS for seconds in times[path]]
    n = len(pages) + len(parts)
    found = {
        "pages_ms": milliseconds(pages),
        "parts_ms": milliseconds(parts),
        "all_ms": milliseconds([*pages, *parts]),
        "requests_per_second": round(n / args.seconds, 1),
        "cpu_ms_per_request": {k: round(1000 * v / n, 1) for k, v in spent.items()},
        "busy_cores_before": beside,
        "load_average": round(load, 1),
        "by_page": {
            path: {"alone": alone[path], "beside": milliseconds(ones) if len(ones) > 1 else None}
            for path, ones in times.items()
        },
    }
    print(json.dumps(found, indent=1))
    note = "2 cores that other work shared; clients, API, Postgres and worker on the same machine"
    write_facts(args.out, vars(args), found, {"command": " ".join(sys.argv), "hardware": note})


if __name__ == "__main__":
    main()
