"""Twenty annotators and a lead, who use the service over HTTP and do not give up."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from svp_client import Client, ClientError
from tests.system.chaos.ledger import Ledger
from tests.system.chaos.services import Service

CLASSES = ["negative", "positive"]
WORDS = {"negative": "it broke at once", "positive": "it works as it should"}
TINY = {"model": "fasttext", "recipe": {"epochs": 20, "buckets": 500}}
N_POOL, N_ACTIVE = 240, 2
ENDED_STATES = ("finished", "cancelled")
OVER_CODES = ("project_not_accepting", "annotator_paused", "not_found")

KINDS: tuple[dict[str, Any], ...] = (
    {"strategy": "least_confidence", "reserve": 10},
    {"strategy": "margin", "labels_per_item": 2,
     "annotation": {"overlap_fraction": 0.5, "max_labels_per_item": 3}},
    {"strategy": "entropy", "reserve": 5, "annotation": {"gold_fraction": 0.2}},
    {"strategy": "uniform", "reserve": 0},
    {"strategy": "least_confidence", "selection": {"control_fraction": 0.2},
     "trigger": {"retrain_fraction": 0.8}},
)  # fmt: skip


@dataclass
class World:
    """State that all threads of a run share."""

    service: Service
    ledger: Ledger
    seed: int
    total_budget: int = 100
    started: float = field(default_factory=time.monotonic)
    active: list[int] = field(default_factory=list)
    projects: list[int] = field(default_factory=list)
    stuck: dict[int, str] = field(default_factory=dict)
    is_ending: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)

    def now(self) -> float:
        """Return the seconds since the run began."""
        return time.monotonic() - self.started

    def newest_project(self) -> int | None:
        """Return the project that was started last and has not ended."""
        return next(reversed(self.active), None)

    def patiently(self, who: str, ask: Callable[[], Any]) -> Any:
        """Return the answer; ask again while the service is away; None once the run is over.

        Raises:
            ClientError: the service refused the request for good.
        """
        while not self.is_over.is_set():
            try:
                return ask()
            except (httpx.TransportError, orjson.JSONDecodeError) as error:
                self.ledger.count(f"tries without an answer: {type(error).__name__}")
            except ClientError as error:
                if not error.status:
                    self.ledger.count(f"tries without an answer: {error.code}")
                elif error.status < 500 and error.status != 429:
                    raise
                else:
                    self.ledger.note_server_error(who, error.status, str(error))
            self.is_over.wait(0.5)
        return None


class Annotator(threading.Thread):
    """Labels, changes their mind now and then, and skips."""

    def __init__(self, world: World, name: str, token: str, i: int) -> None:
        super().__init__(name=name, daemon=True)
        self._world = world
        self._token = token
        self._i = i
        self._rng = random.Random(f"{world.seed} {name}")
        self._left: set[int] = set()
        self.errors: list[str] = []

    def run(self) -> None:
        with self._world.service.client(self._token, self._i) as client:
            while not self._world.is_over.is_set():
                open_ = [p for p in list(self._world.active) if p not in self._left]
                if open_:
                    self._label_some(client, self._rng.choice(open_))
                self._world.is_over.wait(self._rng.uniform(0.2, 1.0))

    def _label_some(self, client: Client, project: int) -> None:
        try:
            size = self._rng.randint(1, 4)
            batch = self._ask(lambda: client.next_batch(project, size))
            if batch is None:
                return
            if batch["state"] in ENDED_STATES:
                self._left.add(project)
            for item in batch["items"]:
                self._world.is_over.wait(self._rng.uniform(0.05, 0.3))
                self._answer(client, project, item)
        except ClientError as error:
            if error.code in OVER_CODES:
                self._left.add(project)
            else:
                self._world.ledger.count(f"refused: {error.code}")
                self.errors.append(str(error))

    def _answer(self, client: Client, project: int, item: dict[str, Any]) -> None:
        item_id = int(item["item_id"])
        drawn = self._rng.random()
        if drawn < 0.02:
            given = self._ask(lambda: client.skip(project, [item_id], "ambiguous"))
            if given and given[0]["status"] == "skipped":
                self._world.ledger.count("skips acknowledged")
            return
        right = CLASSES[int(WORDS["positive"] in item["content"]["text"])]
        if drawn < 0.06:
            wrong = CLASSES[1 - CLASSES.index(right)]
            self._submit(client, project, item_id, wrong)
        self._submit(client, project, item_id, right)
        if drawn > 0.96:
            self._withdraw(client, project, item_id)

    def _submit(self, client: Client, project: int, item_id: int, name: str) -> None:
        ledger, key = self._world.ledger, (project, item_id, self.name)
        ledger.ask(key, name)
        labels = [{"item_id": item_id, "class": name}]
        given = self._ask(lambda: client.submit_labels(project, labels))
        if given is None:
            return
        if given[0]["status"] in ("created", "unchanged", "revised"):
            ledger.acknowledge(key, name, self._world.now())
        else:
            ledger.count(f"label refused: {given[0].get('code')}")

    def _withdraw(self, client: Client, project: int, item_id: int) -> None:
        ledger, key = self._world.ledger, (project, item_id, self.name)
        ledger.ask(key, None)
        given = self._ask(lambda: client.withdraw_labels(project, [item_id]))
        if given is None:
            return
        if given[0]["status"] in ("withdrawn", "unchanged"):
            ledger.acknowledge(key, None, self._world.now())
        else:
            ledger.count(f"withdrawal refused: {given[0].get('code')}")

    def _ask(self, ask: Callable[[], Any]) -> Any:
        return self._world.patiently(self.name, ask)


class Lead(threading.Thread):
    """Keeps some projects going: imports, pauses, resumes, exports; repairs nothing."""

    STUCK_SECONDS = 60.0

    def __init__(self, world: World) -> None:
        super().__init__(name="lead", daemon=True)
        self._world = world
        self._rng = random.Random(f"{world.seed} lead")
        self._paused: set[int] = set()
        self._failed_at: dict[int, float] = {}
        self.errors: list[str] = []

    def run(self) -> None:
        with self._world.service.client(self._world.service.admin_token) as client:
            while not self._world.is_over.is_set():
                try:
                    self._look_after(client)
                except ClientError as error:
                    self._world.ledger.count(f"lead refused: {error.code}")
                    self.errors.append(str(error))
                self._world.is_over.wait(self._rng.uniform(0.5, 2.0))

    def _look_after(self, client: Client) -> None:
        for project in list(self._world.active):
            shown = self._ask(lambda p=project: client.project(p))  # type: ignore[misc]
            if shown is None:
                return
            if shown["state"] in ENDED_STATES:
                self._end(client, project)
            elif self._is_stuck(client, project, shown):
                self._world.active.remove(project)
            elif project in self._paused:
                self._change_state(client, project, "resume")
                self._paused.discard(project)
            else:
                self._do_something(client, project, shown)
        if len(self._world.active) < N_ACTIVE and not self._world.is_ending.is_set():
            self._create(client)

    def _is_stuck(self, client: Client, project: int, shown: dict[str, Any]) -> bool:
        """Return whether a round has failed for a minute, so that only a person could go on."""
        if not shown["round"] or shown["round"]["state"] != "failed":
            self._failed_at.pop(project, None)
            return False
        since = self._failed_at.setdefault(project, self._world.now())
        if self._world.now() - since < self.STUCK_SECONDS:
            return False
        jobs = self._ask(lambda: client.jobs(project))
        if jobs:
            self._world.stuck[project] = str(jobs[0]["error"])[-500:]
        return True

    def _do_something(self, client: Client, project: int, shown: dict[str, Any]) -> None:
        drawn = self._rng.random()
        path = f"/projects/{project}"
        if drawn < 0.04 and shown["state"] == "running":
            self._paused.add(project)
            self._change_state(client, project, "pause")
        elif drawn < 0.12:
            self._ask(lambda: list(client.export_labels(project)))
        elif drawn < 0.16 and shown["state"] == "running":
            start = self._rng.randrange(10_000)
            self._ask(lambda: client.import_items(project, texts(project, start, 20)))
        elif drawn < 0.22:
            self._ask(lambda: client.learning_curve(project))
            self._ask(lambda: client.request("GET", f"{path}/labels?format=csv"))
        elif drawn < 0.26:
            self._ask(lambda: client.annotators(project))
            self._ask(lambda: client.agreement(project))
        elif drawn < 0.29 and shown["n_labeled"] >= 30:
            self._ask(lambda: client.create_core_set(project, strategy="entropy", fraction=0.5))

    def _change_state(self, client: Client, project: int, verb: str) -> None:
        """Pause or resume; that it was done already (an answer got lost) is fine."""
        try:
            self._ask(lambda: client.request("POST", f"/projects/{project}/{verb}"))
        except ClientError as error:
            if error.code != "transition_not_allowed":
                raise

    def _end(self, client: Client, project: int) -> None:
        self._ask(lambda: list(client.export_labels(project)))
        models = self._ask(lambda: client.models(project))
        if models:
            self._ask(lambda: client.model_weights(project, models[-1]["id"]))
        self._world.active.remove(project)

    def _create(self, client: Client) -> None:
        """Create, fill and start a project; each step may be repeated after a lost answer."""
        number = len(self._world.projects)
        name = f"chaos {self._world.seed} {number}"
        settings = {
            "name": name, "modality": "text", "classes": CLASSES, "seed": number,
            "proxy": TINY, "target": TINY,
            "initial_budget": 20, "round_budget": 20, "total_budget": self._world.total_budget,
            **KINDS[number % len(KINDS)],
        }  # fmt: skip
        project = self._ask(lambda: _create_or_find(client, settings))
        if project is None:
            return
        self._world.projects.append(project)
        self._ask(lambda: client.import_items(project, texts(project, 0, N_POOL, gold=8)))
        if settings.get("annotation", {}).get("gold_fraction"):
            gold: dict[str, str | None] = {f"gold-{i}": None for i in range(8)}
            self._ask(lambda: client.set_gold(project, gold))
        try:
            self._ask(lambda: client.start(project))
        except ClientError as error:
            if error.code != "transition_not_allowed":
                raise
        self._world.active.append(project)

    def _ask(self, ask: Callable[[], Any]) -> Any:
        return self._world.patiently(self.name, ask)


def _create_or_find(client: Client, settings: dict[str, Any]) -> int:
    found = client.find_project(settings["name"])  # an earlier try may have come through
    return int((found or client.create_project(**settings))["id"])


def texts(project: int, start: int, n: int, gold: int = 0) -> Iterator[dict[str, str]]:
    """Yield pool items, gold items with their class, and two items of the evaluation split."""
    for i in range(start, start + n):
        words = WORDS[CLASSES[i % 2]]
        yield {"external_id": f"r-{i}", "text": f"{words} {project} {i}"}
    for i in range(gold):
        name = CLASSES[i % 2]
        yield {"external_id": f"gold-{i}", "text": f"{WORDS[name]} gold {i}", "class": name}
    for i, name in enumerate(CLASSES):
        yield {"external_id": f"e-{i}", "text": WORDS[name], "split": "evaluation", "class": name}
