"""A whole project labeled in the real Label Studio by two people, with kills on both sides."""

import os
import random
import re
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
from svp_client import Client, ClientError
from tests.label_studio.real import TOKEN, RealLabelStudio
from tests.support import wait_for
from tests.system.test_documented_commands import DOCS, block_with

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
            "SVP_LABEL_STUDIO_HOSTS": "127.0.0.1",
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


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("service"))
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLabelStudio]:
    there = RealLabelStudio(tmp_path_factory.mktemp("there") / "label-studio")
    there.start()
    yield there
    there.close()


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Client]:
    token = service.svp("token", "create", "root", "--role", "admin", "--all-projects")
    with Client(service.url, token.split()[-1], timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
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


def answers_there(people: People) -> dict[str, dict[str, str]]:
    """Return text -> annotator -> class, as Label Studio has them."""
    names = {ADA: "ada@example.com", people.bob: "bob@example.com"}
    found: dict[str, dict[str, str]] = {}
    for task in people.there.tasks(people.project):
        for a in sorted(task["annotations"], key=lambda a: str(a["updated_at"])):
            if not a["was_cancelled"]:
                of_item = found.setdefault(task["data"]["text"], {})
                of_item[names[a["completed_by"]]] = a["result"][0]["value"]["choices"][0]
    return found


def answers_here(factory: sessionmaker[Session], project: int) -> dict[str, dict[str, str]]:
    """Return the same, as the service has them."""
    query = text(
        "SELECT i.text, a.name, p.classes[l.class_index + 1] FROM labels l "
        "JOIN items i ON i.id = l.item_id JOIN annotators a ON a.id = l.annotator_id "
        "JOIN projects p ON p.id = l.project_id WHERE l.withdrawn_at IS NULL AND p.id = :project"
    )
    found: dict[str, dict[str, str]] = {}
    with transaction(factory) as session:
        for words, name, class_name in session.execute(query, {"project": project}):
            found.setdefault(words, {})[name] = class_name
    return found


def second_tasks(people: People) -> list[dict[str, Any]]:
    """Return the tasks of items that are tasks more than once."""
    of_item: dict[str, list[dict[str, Any]]] = {}
    for task in people.there.tasks(people.project):
        of_item.setdefault(task["data"]["svp_item"], []).append(task)
    return [task for tasks in of_item.values() if len(tasks) > 1 for task in tasks]


def make_project(client: Client, name: str = "reviews") -> int:
    project = client.create_project(
        name=name,
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
    client: Client,
) -> None:
    project = make_project(client)
    said = service.svp(
        "labelstudio", "connect", str(project), "--url", there.url, "--token", TOKEN,
        "--public-url", service.url,
    )  # fmt: skip
    project_there = client.label_studio(project)["project_there"]
    assert f"a new project {project_there} 'reviews'" in said
    assert "No webhook" not in said
    people = People(there, project_there, there.add_user("bob@example.com"))

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
    wait_for(lambda: answers_here(factory, project) == answers_there(people), 60)
    here = answers_here(factory, project)
    assert len(here) == TOTAL
    assert {len(of_item) for of_item in here.values()} == {1, 2}
    assert people.predictions > ROUND
    assert min(people.done[way] for way in ("revised", "deleted", "skipped", "surplus")) >= 8
    # Sent again after a kill; the second one stays only where somebody had answered it by then.
    wait_for(lambda: all(task["annotations"] for task in second_tasks(people)), 30)
    with transaction(factory) as session:
        assert list(find_violations(session)) == []


def restart(there: RealLabelStudio) -> None:
    """Kill Label Studio at once and start it again."""
    there.stop(signal.SIGKILL)
    there.start()


PAGE = "how-to/label-studio.md"
COMMAND = re.compile(r"svp labelstudio (?!connect\|)[^`\n]+")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_command_of_its_documentation_runs(
    there: RealLabelStudio, service: Service, client: Client
) -> None:
    project = make_project(client, "documented")
    begun = block_with("svp labelstudio connect 1", PAGE)
    run(service, there, project, begun)
    first = client.label_studio(project)["project_there"]
    wait_for(lambda: len(there.tasks(first)) == ROUND, 60)
    commands = {*begun.splitlines(), *inline_commands()} - set(begun.splitlines())
    commands -= {"svp labelstudio status"}  # named in a sentence, without its project

    options = [line.split("`")[1] for line in lines_of_page() if line.startswith("| `--")]
    assert len(options) == 4
    for option in [*options, "--ls-project 7"]:
        assert option in page_text()
        line = f"svp labelstudio connect 1 --url http://localhost:8080 {option}"
        said = run(service, there, project, line.replace("project 7", f"project {first}"))
        assert f"is connected with project {first} " in said

    there.call("DELETE", f"/api/tasks/{there.tasks(first)[0]['id']}/")
    wait_for(lambda: client.label_studio(project)["n_tasks_gone"] == 1, 30)
    assert "1 tasks pushed" in run(service, there, project, "svp labelstudio sync 1 --again")
    run_until_stopped(service, "svp labelstudio run")
    assert "no longer connected" in run(service, there, project, "svp labelstudio disconnect 1")
    done = {"sync 1 --again", "run", "disconnect 1"}
    assert {c.removeprefix("svp labelstudio ") for c in commands} == done

    script = block_with("client.connect_label_studio(", PAGE)
    script = script.replace("https://label-studio.example.org", there.url)
    script = script.replace("https://svp.example.org", service.url).replace("(1", f"({project}")
    exec(compile(script, PAGE, "exec"), {"client": client, "token": TOKEN})  # noqa: S102 - ours
    with pytest.raises(ClientError, match="label_studio_not_connected"):
        client.label_studio(project)


def page_text() -> str:
    return (DOCS / PAGE).read_text()


def lines_of_page() -> list[str]:
    return page_text().splitlines()


def inline_commands() -> set[str]:
    """Return the commands that stand in the page's sentences and tables."""
    inline = re.findall(r"`([^`]+)`", page_text())
    return {words for words in inline if COMMAND.fullmatch(words)}


def run(service: Service, there: RealLabelStudio, project: int, script: str) -> str:
    """Return what commands of the page print, of this project and Label Studio."""
    script = script.replace("http://localhost:8080", there.url)
    script = re.sub(r"(connect|sync|status|disconnect) 1\b", rf"\1 {project}", script)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script],
        env={**service.environment, "PATH": path, "LABEL_STUDIO_TOKEN": TOKEN},
        input=TOKEN,
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_until_stopped(service: Service, command: str) -> None:
    """Run a command that goes on until it is told to end; it ends well."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "workers.cli.main", *command.split()[1:]],
        env=service.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "until stopped" in process.stdout.readline()
        process.terminate()
        assert process.wait(30) == 0
