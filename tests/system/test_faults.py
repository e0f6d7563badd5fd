"""Whole projects of 20 annotators while parts of the service are killed, cut off or filled up.

After each fault the project runs to its end, `svp doctor --invariants` is clean, and every
label that the service acknowledged is there exactly once. FAULT_RUNS says how many of each kind
(1), FAULT_SEED where the random moments start; FAULT_REPORT names a JSON file of what happened.
"""

import itertools
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import text

from app.config import environment_without_settings
from app.db.session import transaction
from app.queue import TASK_NAME, make_celery
from svp_client import ClientError
from tests.app.conftest import png
from tests.benchmarks.rivals import machine
from tests.support import require, wait_for
from tests.system.rig import Rig

RUNS = int(os.environ.get("FAULT_RUNS", "1"))
SEED = int(os.environ.get("FAULT_SEED", "1"))
N_ANNOTATORS = 20
N_POOL, BUDGET, TOTAL, RESERVE = 120, 20, 40, 10
DONE_SECONDS = 240
POLL_SECONDS = 0.4
ARTIFACT_MEGABYTES = 24
CLASSES = ["negative", "positive"]
TINY = {"model": "fasttext", "recipe": {"epochs": 20, "buckets": 500}}

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(700)]
each_run = pytest.mark.parametrize("facts", range(RUNS), indirect=True)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small file system of its own, so that it can be full, where mounting is permitted."""
    folder = tmp_path_factory.mktemp("artifacts")
    size = f"size={ARTIFACT_MEGABYTES}m"
    command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
    yield folder
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, artifacts: Path) -> Iterator[Rig]:
    """The running service; SIGTERM (of `timeout`, of CI) ends it as Ctrl-C does, in order."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Rig(tmp_path_factory.mktemp("rig"), artifacts) as running:
        yield running
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def runs() -> Iterator[list[dict[str, Any]]]:
    """Facts about each run, by kind; kept in FAULT_REPORT."""
    done: list[dict[str, Any]] = []
    yield done
    if "FAULT_REPORT" not in os.environ:
        return
    kinds = dict.fromkeys(run["kind"] for run in done)
    outcomes = {kind: Counter(r["outcome"] for r in done if r["kind"] == kind) for kind in kinds}
    report = {
        "machine": machine(),
        "command": f"FAULT_RUNS={RUNS} FAULT_SEED={SEED} python -m pytest -m faults",
        "n_labels_acknowledged": sum(run.get("n_labels", 0) for run in done),
        "outcomes": outcomes,
        "runs": done,
    }
    Path(os.environ["FAULT_REPORT"]).write_text(json.dumps(report, indent=1) + "\n")


@pytest.fixture
def facts(request: pytest.FixtureRequest, runs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Facts about this run; it has failed unless the test's last line says otherwise."""
    name, parameters = request.node.originalname, request.node.callspec.params
    kind = name.removeprefix("test_").replace("_", " ")
    if "part" in parameters:
        kind += f": {parameters['part']}"
    facts = {"kind": kind, "run": request.param, "outcome": "failed"}
    runs.append(facts)
    started = time.monotonic()
    yield facts
    facts["seconds"] = round(time.monotonic() - started, 1)


class Work:
    """One project and its annotators; remembers every label that the service acknowledged."""

    def __init__(self, rig: Rig, n_annotators: int = N_ANNOTATORS) -> None:
        self.rig = rig
        number = next(_numbers)
        self.names = [f"p{number} annotator {i}" for i in range(n_annotators)]
        self.tokens = [rig.token(name) for name in self.names]
        self.acknowledged: dict[tuple[str, int], str] = {}
        with rig.admin() as admin:
            self.project = int(
                admin.create_project(
                    name=f"faults-{number}", modality="text", classes=CLASSES, seed=number,
                    proxy=TINY, target=TINY, strategy="least_confidence",
                    initial_budget=BUDGET, round_budget=BUDGET, total_budget=TOTAL, reserve=RESERVE,
                )["id"]
            )  # fmt: skip
            admin.import_items(self.project, texts(number))

    def __enter__(self) -> "Work":
        with self.rig.admin() as admin:
            admin.start(self.project)
        self._threads = [
            threading.Thread(target=self._annotate, args=(name, token, i))
            for i, (name, token) in enumerate(zip(self.names, self.tokens, strict=True))
        ]
        self._end = time.monotonic() + DONE_SECONDS
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._end = 0.0  # the annotators go home
        for thread in self._threads:
            thread.join(DONE_SECONDS + 30)

    @property
    def n_labels(self) -> int:
        return len(self.acknowledged)

    def wait_for_labels(self, n: int) -> None:
        wait_for(lambda: self.n_labels >= n, DONE_SECONDS)

    def state(self) -> str:
        with transaction(self.rig.factory) as session:
            found = session.scalar(
                text("SELECT state FROM projects WHERE id = :p").bindparams(p=self.project)
            )
            return str(found)

    def is_over(self) -> bool:
        """Return whether the project is finished, or ought to be."""
        return self.state() == "finished" or time.monotonic() > self._end

    def _annotate(self, name: str, token: str, i: int) -> None:
        with self.rig.client(token, ("api", "api2")[i % 2]) as client:
            while time.monotonic() < self._end:
                batch = self._patiently(lambda: client.next_batch(self.project, 2))
                if not batch or batch["state"] not in ("running", "paused"):
                    return
                if not batch["items"]:
                    time.sleep(POLL_SECONDS)
                    continue
                labels = [
                    {"item_id": x["item_id"], "class": CLASSES[x["item_id"] % 2]}
                    for x in batch["items"]
                ]
                given = self._patiently(partial(client.submit_labels, self.project, labels))
                for label, outcome in zip(labels, given, strict=False):
                    if outcome["status"] in ("created", "unchanged", "revised"):
                        self.acknowledged[name, label["item_id"]] = label["class"]
                time.sleep(POLL_SECONDS)

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        """Return the answer, [] once the project has ended; ask again while the service is away."""
        while time.monotonic() < self._end:
            try:
                return ask()
            except httpx.TransportError:
                pass
            except ClientError as error:
                if error.code == "project_not_accepting":
                    return []
                if error.status not in (0, 503):
                    raise
            time.sleep(POLL_SECONDS)
        return []

    def check(self) -> dict[str, Any]:
        """The project ends, the invariants hold, and what was acknowledged is there once."""
        wait_for(lambda: self.state() == "finished", DONE_SECONDS)
        with transaction(self.rig.factory) as session:
            rows = session.execute(
                text(
                    "SELECT a.name, l.item_id, l.class_index FROM labels l "
                    "JOIN annotators a ON a.id = l.annotator_id "
                    "WHERE l.project_id = :p AND l.withdrawn_at IS NULL"
                ).bindparams(p=self.project)
            ).all()
        stored = sorted((name, item, CLASSES[c]) for name, item, c in rows)
        wanted = sorted((name, item, c) for (name, item), c in self.acknowledged.items())
        lost = set(wanted) - set(stored)
        assert not lost, f"acknowledged and lost: {lost}"
        assert len(stored) == TOTAL
        assert len({item for _, item, _ in stored}) == TOTAL  # each item once
        doctor(self.rig)
        with self.rig.admin() as admin:
            jobs = [job for job in admin.jobs(self.project) if job["kind"] != "pack"]
        n_attempts = sum(job["attempts"] + job["lost_workers"] for job in jobs)
        return {"n_labels": len(wanted), "n_jobs": len(jobs), "n_attempts": n_attempts}


def texts(project: int) -> Iterator[dict[str, str]]:
    """Yield the pool and two items of the evaluation split, other ones for each project.

    What equals what is stored already would cost no room on a full disk.
    """
    words = {"negative": "it broke at once", "positive": "it works as it should"}
    for i in range(N_POOL):
        yield {"external_id": f"r-{i}", "text": f"{words[CLASSES[i % 2]]} {project} {i}"}
    for i, name in enumerate(CLASSES):
        yield {"external_id": f"e-{i}", "text": words[name], "split": "evaluation", "class": name}


def doctor(rig: Rig) -> None:
    """`svp doctor --invariants` finds nothing."""
    environment = environment_without_settings()
    found = subprocess.run(
        [sys.executable, "-m", "workers.cli.main", "doctor", "--invariants"],
        env={**environment, "SVP_DATABASE_URL": rig.database_url},
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr


def moment(kind: str, run: int) -> random.Random:
    """The seeded randomness of one run."""
    return random.Random(f"{SEED}-{kind}-{run}")


@each_run
@pytest.mark.parametrize("part", ["worker", "child", "api", "postgres", "redis"])
def test_a_part_is_killed_at_a_random_moment(rig: Rig, part: str, facts: dict[str, Any]) -> None:
    rng = moment(part, facts["run"])
    after, delay = rng.randrange(TOTAL), rng.uniform(0, 1)
    with Work(rig) as work:
        work.wait_for_labels(after)
        time.sleep(delay)
        state = work.state()
        rig.kill(part)
    done = {"after_labels": after, "killed_in": state, **work.check()}
    facts.update(outcome="passed", **done)


@each_run
def test_api_is_cut_off_from_postgres_for_ten_seconds(rig: Rig, facts: dict[str, Any]) -> None:
    rng = moment("cut", facts["run"])
    after = rng.randrange(TOTAL)
    with Work(rig) as work:
        work.wait_for_labels(after)
        with rig.proxy.is_cut():
            mended_at = time.monotonic() + 10
            with rig.client(work.tokens[0]) as client, pytest.raises(ClientError) as refusal:
                client.next_batch(work.project, 1)
            assert (refusal.value.status, refusal.value.code) == (503, "database_not_usable")
            time.sleep(max(0.0, mended_at - time.monotonic()))
        wait_for(rig.is_ready, DONE_SECONDS)
    facts.update(outcome="passed", after_labels=after, **work.check())


@each_run
def test_full_disk_loses_nothing_and_work_goes_on_once_there_is_room(
    rig: Rig, artifacts: Path, facts: dict[str, Any]
) -> None:
    require(artifacts.is_mount(), "mounting a small tmpfs is not permitted here")
    after = moment("full", facts["run"]).randrange(5, BUDGET)
    ballast = artifacts / "ballast"
    with Work(rig) as work, rig.admin() as admin:
        work.wait_for_labels(after)
        fill(ballast)
        try:
            images = admin.create_project(
                name=f"images-{work.project}", modality="image", classes=CLASSES,
                initial_budget=1, round_budget=1, total_budget=1,
            )["id"]  # fmt: skip
            with pytest.raises(ClientError) as refusal:
                admin.upload_images(images, [("a.png", png(900, 900, "RGB") + os.urandom(60_000))])
            assert (refusal.value.status, refusal.value.code) == (507, "storage_full")
            wait_for(lambda: "no room" in (admin.jobs(work.project)[0]["error"] or ""), 120)
        finally:
            ballast.unlink()
        assert not list(artifacts.rglob("*.tmp"))
        assert admin.upload_images(images, [("a.png", png())])["n_created"] == 1
    done = {"after_labels": after, **work.check()}
    assert done["n_attempts"] > done["n_jobs"]
    facts.update(outcome="passed", **done)


def fill(path: Path) -> None:
    """Let a file take all that its disk has left."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(1024)):
            pass


@each_run
def test_messages_come_five_times(rig: Rig, facts: dict[str, Any]) -> None:
    """Two workers hear of one job again and again, before, while and after it runs."""
    celery = make_celery(rig.settings)
    with rig.second_worker(), Work(rig) as work, rig.admin() as admin:
        while not work.is_over():
            for job in admin.jobs(work.project)[:1]:
                for _ in range(5):
                    celery.send_task(TASK_NAME, args=[job["id"]], queue="cpu", retry=False)
            time.sleep(POLL_SECONDS)
    done = work.check()
    assert done["n_attempts"] == done["n_jobs"]
    facts.update(outcome="passed", **done)


@each_run
def test_two_sweepers_bring_one_rerun(rig: Rig, facts: dict[str, Any]) -> None:
    """Both API processes sweep every half second; a worker and its child die under a job."""
    with Work(rig) as work:
        killed = kill_worker_under_a_job(rig, work.project)
    done = work.check()
    with rig.admin() as admin:
        attempts = {
            job["id"]: job["attempts"] + job["lost_workers"]
            for job in admin.jobs(work.project)
            if job["kind"] != "pack"
        }
    assert attempts.pop(killed) == 2
    assert set(attempts.values()) == {1}
    assert requeued(rig, work.project) == [killed]
    facts.update(outcome="passed", **done)


def kill_worker_under_a_job(rig: Rig, project: int) -> int:
    """Kill the worker and its children while a job of the project runs; return the job's id."""
    while True:
        wait_for(lambda: running_job(rig, project) is not None, DONE_SECONDS)
        parts = [psutil.Process(rig.processes["worker"].pid), *rig.children()]
        for part in parts:
            part.suspend()
        job = running_job(rig, project)
        if job is not None:  # it cannot end any more
            break
        for part in parts:
            part.resume()
    for child in parts[1:]:
        child.kill()
    rig.kill("worker")
    return job


def running_job(rig: Rig, project: int) -> int | None:
    with transaction(rig.factory) as session:
        running = text(
            "SELECT id FROM jobs WHERE project_id = :p AND state = 'running' AND kind <> 'pack'"
        )
        return session.scalars(running.bindparams(p=project)).one_or_none()


def requeued(rig: Rig, project: int) -> list[int]:
    """Return the job of each step back from running to queued; packing gives way to others."""
    with rig.admin() as admin:
        events = admin.request("GET", f"/projects/{project}/events?limit=1000").json()["events"]
    changes = [event["facts"] for event in events if event["name"] == "job.state_changed"]
    back = [c for c in changes if (c["from"], c["to"]) == ("running", "queued")]
    return [c["job"] for c in back if c["kind"] != "pack"]


@each_run
def test_a_hundred_annotators_poll_at_once(rig: Rig, facts: dict[str, Any]) -> None:
    work = Work(rig, n_annotators=100)
    with rig.admin() as admin:
        admin.start(work.project)
        wait_for(lambda: admin.rounds(work.project)[-1]["state"] == "labeling", 60)
    barrier = threading.Barrier(100)

    def poll(token: str) -> list[int]:
        with rig.client(token) as client:
            barrier.wait(30)
            return [x["item_id"] for x in client.next_batch(work.project, 1)["items"]]

    with ThreadPoolExecutor(100) as pool:
        got = [item for items in pool.map(poll, work.tokens) for item in items]
    assert len(got) == len(set(got)) == BUDGET + RESERVE  # each item once
    doctor(rig)
    with rig.admin() as admin:
        admin.request("POST", f"/projects/{work.project}/cancel")
    facts.update(outcome="passed", n_items=len(got))


@each_run
def test_slow_uploads_hold_nobody_up(rig: Rig, facts: dict[str, Any]) -> None:
    """60 uploads come a byte at a time while a project is labeled."""
    stop = threading.Event()
    with rig.admin() as admin:
        draft = admin.create_project(
            name=f"slow-{next(_numbers)}", modality="text", classes=CLASSES,
            initial_budget=1, round_budget=1, total_budget=1,
        )["id"]  # fmt: skip
    head = (
        f"POST /api/v1/projects/{draft}/items HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {rig.admin_token}\r\nContent-Type: application/x-ndjson\r\n"
        "Content-Length: 100000\r\n\r\n"
    )
    sockets = [
        socket.create_connection(("127.0.0.1", rig.ports[("api", "api2")[i % 2]]))
        for i in range(60)
    ]

    def drip() -> None:
        for one in sockets:
            one.sendall(head.encode())
        for byte in itertools.cycle(b'{"external_id": "a", "text": "slow"}\n'):
            if stop.wait(0.2):
                return
            for one in sockets:
                with suppress(OSError):
                    one.sendall(bytes([byte]))

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        with Work(rig) as work:
            pass
        done = work.check()
        assert not select.select(sockets, [], [], 0)[0]  # none was answered or cut off meanwhile
    finally:
        stop.set()
        dripping.join()
        for one in sockets:
            one.close()
    facts.update(outcome="passed", **done)
