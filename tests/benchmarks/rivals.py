"""Runs both sides of a speed claim in turns and says how they compare."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "scipy", "numba", "torch", "scikit-learn")


@dataclass(frozen=True)
class Measured:
    """The answer of a side that takes the seconds of the compared part itself."""

    seconds: float


@dataclass(frozen=True)
class Rival:
    """One side: its name, and what it runs; without a `Measured` the whole run counts."""

    name: str
    run: Callable[[], object]


@dataclass(frozen=True)
class Outcome:
    """Seconds of one side, and how many times faster than the peer it was in the same turn."""

    name: str
    seconds: float
    seconds_range: tuple[float, float]
    speed_up: float | None = None
    speed_up_range: tuple[float, float] | None = None

    def __str__(self) -> str:
        """Return one line of a table."""
        low, high = self.seconds_range
        line = f"{self.name:>32}: median {self.seconds:8.3f} s, {low:.3f} to {high:.3f} s"
        if self.speed_up is None or self.speed_up_range is None:
            return line
        low, high = self.speed_up_range
        return f"{line}; {self.speed_up:.2f}x the peer's speed, {low:.2f} to {high:.2f}"


def compare(
    peer: Rival,
    ours: Sequence[Rival],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
    *,
    warms_up: bool = True,
) -> list[Outcome]:
    """Return the outcomes, the peer's first; all run once to warm up, then in turns; printed.

    On a machine that others use, `time.process_time` and one thread a side still compare.
    """
    for rival in (peer, *ours) if warms_up else ():
        rival.run()
    seconds: dict[str, list[float]] = {rival.name: [] for rival in (peer, *ours)}
    for _ in range(repeats):
        for rival in (peer, *ours):
            seconds[rival.name].append(_seconds_of(rival, clock))
    outcomes = [_outcome(name, seconds[peer.name], own) for name, own in seconds.items()]
    outcomes[0] = Outcome(peer.name, outcomes[0].seconds, outcomes[0].seconds_range)
    for outcome in outcomes:
        print(outcome, flush=True)
    return outcomes


def _seconds_of(rival: Rival, clock: Callable[[], float]) -> float:
    started = clock()
    found = rival.run()
    return found.seconds if isinstance(found, Measured) else clock() - started


def _outcome(name: str, peer: list[float], own: list[float]) -> Outcome:
    ratios = [theirs / ours for theirs, ours in zip(peer, own, strict=True)]
    return Outcome(
        name,
        statistics.median(own),
        (min(own), max(own)),
        statistics.median(ratios),
        (min(ratios), max(ratios)),
    )


def machine() -> dict[str, Any]:
    """Return what a result must name: date, cores, versions."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "cpu": _cpu(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def _cpu() -> str:
    """Return the processor's name, and its widest vectors."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    facts = dict(line.split(":", 1) for line in text.split("\n\n")[0].split("\n") if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    vectors = [kind for kind in ("avx512f", "avx2") if kind in facts.get("flags", "").split()]
    return " ".join([facts.get("model name", "unknown"), *vectors[:1]])


def write_result(
    out: Path | None,
    args: dict[str, Any],
    results: dict[str, list[Outcome]],
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write the outcomes, and what else was found, as JSON, if a file is named."""
    facts = {name: [asdict(o) for o in outcomes] for name, outcomes in results.items()}
    write_facts(out, args, facts, notes)


def write_facts(
    out: Path | None,
    args: Mapping[str, Any],
    results: Mapping[str, Any],
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write results of any form as JSON, with the machine and the command, if a file is named."""
    if out is None:
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    facts = {
        "machine": machine(),
        "arguments": {name: str(value) for name, value in args.items()},
        "results": dict(results),
        "notes": dict(notes or {}),
    }
    out.write_text(json.dumps(facts, indent=1) + "\n")
