"""A whole project labeled in the real Label Studio by two people, with kills on both sides."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.config import environment_without_settings
from app.db.embedded import EmbeddedPostgres
from app.db.queries.invariants import find_violations
from app.db.session import make_engine, transaction
from svp_client import Client
from tests.label_studio.real import TOKEN, RealLabelStudio
from tests.support import wait_for

N_ITEMS, TOTAL, ROUND = 300, 240, 60
CLASSES = ("bad", "good")
ADA = 1


class Service:
    """`svp up` as a process of its own, and its command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **environment_without_settings(),
            "SVP_DATA_FOLDER": str(folder / "data"),
            "SVP_LABEL_STUDIO_POLL_SECONDS": "2",
        }
        self.output = folder / "output"

    def start(self) -> None:
        """Start it on a free port; return when it is ready."""
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workers.cli.main", "up", "--port", "0"],
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_for(lambda: "Press Ctrl-C" in self.output.read_text(), 90)

    @property
    def url(self) -> str:
        return (self.folder / "data" / "address").read_text().strip()

    def svp(self, *arguments: str) -> str:
        """Return what a command printed; it must succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "workers.cli.main", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kill_bridge(self) -> bool:
        """Kill the exchange with Label Studio at once, as no part ends by itself."""
        for child in psutil.Process(self.process.pid).children():
            if "labelstudio" in child.cmdline():
                os.kill(child.pid, signal.SIGKILL)
                return True
        return False

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(90)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    service.start()
    yield service
    service.stop()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[RealLabelStudio]:
    there = RealLabelStudio(tmp_path / "label-studio")
    there.start()
    yield there
    there.close()


@pytest.fixture
def factory(service: Service) -> Iterator[sessionmaker[Session]]:
    engine = make_engine(EmbeddedPostgres(service.folder / "data" / "postgres").url())
    yield sessionmaker(engine)
    engine.dispose()


class People:
    """Two people who label what is open, change their minds, delete, skip and overlap."""

    def __init__(self, there: RealLabelStudio, project: int, bob: int) -> None:
        self.there, self.project, self.bob = there, project, bob
        self.rng = random.Random(1)
        self.seen: set[int] = set()
        self.skipped_for_good = 0
        self.predictions = 0
        self.done: dict[str, int] = {}

    def label_some(self, most: int) -> int:
        """Label tasks that nobody has answered; return how many."""
        tasks = self.there.tasks(self.project, max(self.seen, default=0) + 1)[:most]
        last = max((task["id"] for task in tasks), default=None)
        for task in tasks:
            self.predictions += len(task["predictions"])
            assert not {"score", "rank"} & {*task["data"], *task["meta"]}
            self.seen.add(task["id"])
            self.answer(task["id"], task["data"]["text"], is_last=task["id"] == last)
        return len(tasks)

    def answer(self, task: int, words: str, *, is_last: bool) -> None:
        """Answer a task; the last one plainly: it may end the project."""
        right = CLASSES["good" in words]
        wrong = CLASSES["good" not in words]
        user, other = self.rng.sample([ADA, self.bob], 2)
        way = self.rng.choices(
            ["plain", "revised", "deleted", "skipped", "surplus", "left"], [60, 10, 8, 8, 8, 2]
        )[0]
        way = "plain" if is_last else way
        self.done[way] = self.done.get(way, 0) + 1
        if way == "left":
            self.there.annotate(task, None, user)
            return
        if way == "skipped":
            self.there.annotate(task, None, user)
            self.there.annotate(task, right, other)
            return
        annotation = self.there.annotate(task, wrong if way == "revised" else right, user)
        if way == "revised":
            self.there.revise(annotation, right)
        elif way == "deleted":
            self.there.delete(annotation)
            self.there.annotate(task, right, other)
        elif way == "surplus":
            self.there.annotate(task, wrong, other)


def answers_there(there: RealLabelStudio, project: int, bob: int) -> dict[str, dict[str, str]]:
    """Return text -> annotator -> class, as Label Studio has them."""
    names = {ADA: "ada@example.com", bob: "bob@example.com"}
    found: dict[str, dict[str, str]] = {}
    for task in there.tasks(project):
        for a in sorted(task["annotations"], key=lambda a: str(a["updated_at"])):
            if not a["was_cancelled"]:
                of_item = found.setdefault(task["data"]["text"], {})
                of_item[names[a["completed_by"]]] = a["result"][0]["value"]["choices"][0]
    return found


def answers_here(factory: sessionmaker[Session]) -> dict[str, dict[str, str]]:
    """Return the same, as the service has them."""
    query = text(
        "SELECT i.text, a.name, p.classes[l.class_index + 1] FROM labels l "
        "JOIN items i ON i.id = l.item_id JOIN annotators a ON a.id = l.annotator_id "
        "JOIN projects p ON p.id = l.project_id WHERE l.withdrawn_at IS NULL"
    )
    found: dict[str, dict[str, str]] = {}
    with transaction(factory) as session:
        for words, name, class_name in session.execute(query):
            found.setdefault(words, {})[name] = class_name
    return found


def make_project(client: Client) -> int:
    project = client.create_project(
        name="reviews",
        modality="text",
        classes=list(CLASSES),
        strategy="margin",
        initial_budget=ROUND,
        round_budget=ROUND,
        total_budget=TOTAL,
        reserve=10,
        proxy={"model": "fasttext", "recipe": {"epochs": 1, "buckets": 50}},
        target={"model": "fasttext", "recipe": {"epochs": 1, "buckets": 50}},
    )["id"]
    words = [f"{CLASSES[n % 2]} review number {n}" for n in range(N_ITEMS)]
    client.import_items(project, ({"external_id": w, "text": w} for w in words))
    client.start(project)
    return int(project)


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_project_in_rounds_by_two_people_with_restarts_of_both_sides(
    there: RealLabelStudio,
    service: Service,
    factory: sessionmaker[Session],
    request: pytest.FixtureRequest,
) -> None:
    token = service.svp("token", "create", "root", "--role", "admin", "--all-projects")
    client = Client(service.url, token.split()[-1], timeout=60)
    request.addfinalizer(client.close)
    project = make_project(client)
    said = service.svp(
        "labelstudio", "connect", str(project), "--url", there.url, "--token", TOKEN,
        "--public-url", service.url,
    )  # fmt: skip
    assert "a new project 1 'reviews'" in said
    assert "No webhook" not in said
    people = People(there, 1, there.add_user("bob@example.com"))

    def state() -> Any:
        return client.project(project)["state"]

    faults = iter([service.kill_bridge, lambda: restart(there), service.kill_bridge, None])
    n_waits = 0
    while state() == "running":
        n = people.label_some(40)
        n_waits = 0 if n else n_waits + 1
        assert n_waits < 240, service.svp("labelstudio", "status", str(project))
        if n:
            fault = next(faults, None)
            if fault is not None:
                fault()
        else:
            time.sleep(0.25)
    wait_for(lambda: answers_here(factory) == answers_there(there, 1, people.bob), 60)
    here = answers_here(factory)
    assert len(here) == TOTAL
    assert {len(of_item) for of_item in here.values()} == {1, 2}
    assert people.predictions > ROUND
    assert min(people.done[way] for way in ("revised", "deleted", "skipped", "surplus")) >= 8
    keys = [task["data"]["svp_item"] for task in there.tasks(1)]
    assert len(keys) == len(set(keys))
    with transaction(factory) as session:
        assert list(find_violations(session)) == []


def restart(there: RealLabelStudio) -> None:
    """Kill Label Studio at once and start it again."""
    there.stop(signal.SIGKILL)
    there.start()
