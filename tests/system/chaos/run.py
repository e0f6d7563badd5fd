"""One run: people work, faults strike at random, then all is counted and a verdict given."""

import random
import re
import statistics
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from svp_client import Client, ClientError
from tests.benchmarks.rivals import machine
from tests.system.chaos.checks import broken_invariants, check_labels, problems_of
from tests.system.chaos.faults import Fault, faults_of
from tests.system.chaos.ledger import Ledger
from tests.system.chaos.people import ENDED_STATES, Annotator, Lead, World
from tests.system.chaos.prober import GRACE_SECONDS, Prober, Window, unexplained
from tests.system.chaos.sampling import MemorySampler
from tests.system.chaos.services import Service

N_ANNOTATORS = 20
SETTLE_SECONDS = 300.0
PROGRESS_SECONDS = 15.0
# Longer than the grace, most of the time: what goes wrong between faults must be seen.
GAP_SECONDS = (5.0, 40.0)
EXIT_EXPLAINED_SECONDS = 30.0


@dataclass
class Plan:
    """A run's length, seed, kinds of faults (none: all) and how far apart they are."""

    minutes: float
    seed: int = 1
    kinds: tuple[str, ...] = ()
    n_annotators: int = N_ANNOTATORS
    gap_seconds: tuple[float, float] = GAP_SECONDS
    settle_seconds: float = SETTLE_SECONDS
    total_budget: int = 100


@dataclass
class Run:
    """A plan and the service it is carried out on."""

    plan: Plan
    service: Service
    windows: list[Window] = field(default_factory=list)

    def carry_out(self) -> dict[str, Any]:
        """Return the report; `verdict` is "good" or "bad", `problems` says why."""
        self.service.start()
        plan = self.plan
        self.world = World(self.service, Ledger(), plan.seed, plan.total_budget)
        try:
            self._hire()
            self._let_chaos_reign()
            unfinished = self._settle()
        finally:
            self.world.is_over.set()
        for thread in [*self.annotators, self.lead]:
            thread.join(30)
        self.prober.stop()
        self.memory.stop()
        return self._report(unfinished)

    def _hire(self) -> None:
        world = self.world
        names = [f"annotator {i}" for i in range(self.plan.n_annotators)]
        with self.service.client(self.service.admin_token) as admin:
            tokens = [admin.create_token(name, all_projects=True) for name in names]
            prober = admin.create_token("prober", all_projects=True)
        self.annotators = [
            Annotator(world, name, token, i)
            for i, (name, token) in enumerate(zip(names, tokens, strict=True))
        ]
        self.lead = Lead(world)
        self.prober = Prober(
            self.service.urls, prober, world.newest_project, world.now, world.ledger
        )
        self.memory = MemorySampler(self.service, world.now)
        for person in [*self.annotators, self.lead]:
            person.start()
        self.prober.start()
        self.memory.start()
        threading.Thread(target=self._tell, daemon=True).start()

    def _let_chaos_reign(self) -> None:
        """Try every kind of fault in shuffled turns, one at a time, until the time is over."""
        rng = random.Random(f"{self.plan.seed} faults")
        faults = faults_of(self.world)
        if self.plan.kinds:
            faults = {kind: faults[kind] for kind in self.plan.kinds if kind in faults}
        end = self.plan.minutes * 60
        turn: list[str] = []
        time.sleep(min(10.0, end / 10))
        while self.world.now() < end:
            if not turn:
                turn = rng.sample(sorted(faults), len(faults))
            kind = turn.pop()
            self._strike(kind, faults[kind], rng)
            gap = rng.uniform(*self.plan.gap_seconds)
            time.sleep(max(0.0, min(gap, end - self.world.now())))
        self.world.is_ending.set()

    def _strike(self, kind: str, fault: Fault, rng: random.Random) -> None:
        start = self.world.now()
        # Open from the start: an outage under a fault that still lasts is explained, too.
        self.windows.append(Window(kind, start, float("inf")))
        try:
            detail = fault(self.world, rng)
        except Exception as error:  # noqa: BLE001 - the run continues, the report tells
            detail = f"could not be done: {error}"
        self.windows[-1] = Window(kind, round(start, 1), round(self.world.now(), 1), detail)
        _say(f"{_clock(start)} {kind}: {detail}")

    def _settle(self) -> dict[int, str]:
        """Wait until every project has ended by itself; return the state of those that have not."""
        deadline = time.monotonic() + self.plan.settle_seconds
        ended: set[int] = set()
        unfinished: dict[int, str] = {-1: "not asked"}
        with self.service.client(self.service.admin_token) as client:
            while unfinished and time.monotonic() < deadline:
                with suppress(httpx.TransportError, ClientError):
                    left = [p for p in self.world.projects if p not in ended]
                    states = {project: _state(client, project) for project in left}
                    ended |= {p for p, state in states.items() if state in ENDED_STATES}
                    unfinished = {p: s for p, s in states.items() if p not in ended}
                time.sleep(1)
        return unfinished

    def _report(self, unfinished: dict[int, str]) -> dict[str, Any]:
        found = check_labels(self.world)
        broken = broken_invariants(self.world)
        outages = sorted(self.prober.outages, key=lambda o: o.start)
        bad = unexplained(outages, self.windows)
        exits = self._exits()
        ledger = self.world.ledger
        people: list[Annotator | Lead] = [*self.annotators, self.lead]
        problems = [
            *problems_of(found),
            *(f"promise broken: {words}" for words in broken),
            *(f"project {p} did not end: {state}" for p, state in unfinished.items()),
            *(f"project {p} needs a person: {error}" for p, error in self.world.stuck.items()),
            *(f"unexplained outage of {o.seconds:.1f} s: {asdict(o)}" for o in bad),
            *(f"answer: {words}" for words in ledger.server_errors),
            *(f"`svp up` ended by itself: {words}" for words in exits["unexplained"]),
            *(f"{t.name} still waits for an answer" for t in self.annotators if t.is_alive()),
        ]  # fmt: skip
        if not found["n_must_stand"]:
            problems.append("no label was acknowledged")
        return {
            "machine": machine(),
            "service": type(self.service).__name__,
            "minutes": self.plan.minutes,
            "seed": self.plan.seed,
            "n_annotators": self.plan.n_annotators,
            "clock_moved_by": self.service.clock.method,
            "small_disks": {name: disk.is_mounted for name, disk in self.service.disks.items()},
            "verdict": "bad" if problems else "good",
            "problems": problems,
            "n_faults": Counter(window.kind for window in self.windows),
            "n_projects": len(self.world.projects),
            "labels": found,
            "counts": dict(sorted(ledger.counts.items())),
            "longest_silence": {
                "seconds": round(ledger.longest_silence[0], 1),
                "from": _clock(ledger.longest_silence[1]),
            },
            "n_probes": self.prober.n_asked,
            "probe_seconds": _quantiles(self.prober.seconds),
            "n_outages": len(outages),
            "longest_outage_seconds": round(max((o.seconds for o in outages), default=0.0), 1),
            "grace_seconds": GRACE_SECONDS,
            "outages": [_rounded(asdict(o)) for o in outages if o.seconds > 2],
            "supervisor_exits": exits,
            "errors_seen": {t.name: t.errors[:5] for t in people if t.errors},
            "tracebacks_in_logs": {
                str(path.relative_to(self.service.folder)): len(
                    re.findall("Traceback", path.read_text(errors="replace"))
                )
                for path in self.service.logs()
            },
            "megabytes_by_minute": self.memory.by_minute(),
            "faults": [asdict(window) for window in self.windows],
        }

    def _exits(self) -> dict[str, Any]:
        """Return when the supervisor ended, and what it said where no fault had killed it."""
        kills = [w for w in self.windows if w.kind == "kill supervisor"]
        alone = []
        for at, code, words in self.service.exits:
            second = at - self.world.started
            if not any(w.start <= second <= w.end + EXIT_EXPLAINED_SECONDS for w in kills):
                alone.append(f"{_clock(second)} code {code}: {words}")
        return {"n": len(self.service.exits), "unexplained": alone}

    def _tell(self) -> None:
        while not self.world.is_over.wait(PROGRESS_SECONDS):
            world, counts = self.world, self.world.ledger.counts
            worst = max((o.seconds for o in self.prober.outages), default=0.0)
            sizes = self.memory.sample()
            memory = " ".join(f"{r} {sizes[r]:.0f}M" for r in ("api", "worker") if r in sizes)
            _say(
                f"{_clock(world.now())} labels {counts['labels acknowledged']} "
                f"projects {len(world.projects)} faults {len(self.windows)} "
                f"outages {len(self.prober.outages)} (worst {worst:.0f} s) {memory}"
            )


def _state(client: Client, project: int) -> str:
    """Return a project's state, and its round's while it has not ended."""
    shown = client.project(project)
    state, round_ = str(shown["state"]), shown["round"]
    if state in ENDED_STATES or round_ is None:
        return state
    return f"{state}, round {round_['number']} {round_['state']}"


def _say(words: str) -> None:
    print(words[:80], flush=True)  # noqa: T201 - a command's progress


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


def _rounded(outage: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, 1) if isinstance(v, float) else v for k, v in outage.items()}


def _quantiles(seconds: list[float]) -> dict[str, float]:
    if len(seconds) < 2:
        return {}
    cuts = statistics.quantiles(seconds, n=100)
    return {"p50": round(cuts[49], 4), "p99": round(cuts[98], 4), "max": round(max(seconds), 2)}
