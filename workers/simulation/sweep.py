"""Many runs from one command: experiments, grids of settings, seeds, side by side in processes.

Each unit of each seed runs in its own process, so a crash stops no other. A process lives as long
as the pipe to it is open, so all end when the sweep ends. What they wrote stays, and the next sweep
resumes from it.
"""

import itertools
import os
import subprocess
import time
import tomllib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib

from workers.processes import module_command
from workers.simulation.config import ExperimentConfig, ExperimentError
from workers.simulation.kinds import kind_of
from workers.simulation.load import load_experiment

POLL_SECONDS = 0.05
ONE_PROCESS = "workers.simulation.unit_process"


@dataclass(frozen=True)
class Run:
    """One experiment and the folder of its lines."""

    experiment: ExperimentConfig
    out: Path


@dataclass(frozen=True)
class Task:
    """One unit of one run with one seed."""

    run: Run
    unit: str
    seed: int

    @property
    def name(self) -> str:
        """The value as people read it."""
        return f"{self.run.out.name} {self.unit} seed {self.seed}"

    @property
    def log(self) -> Path:
        """The log of its process."""
        return self.run.out / "logs" / f"{self.unit}-seed{self.seed}.log"

    @property
    def is_finished(self) -> bool:
        """Whether all its lines are on the disk."""
        experiment = self.run.experiment
        return kind_of(experiment).is_finished(experiment, self.run.out, self.unit, self.seed)


@dataclass(frozen=True)
class Slot:
    """Room for one process at a time.

    Attributes:
        device: "cpu" or "cuda[:i]".
        threads: on the CPU, whatever the work; 0 = as many as the work is worth, of `n_cores`.
        n_cores: this slot's share of the cores.
    """

    device: str
    threads: int
    n_cores: int


def planned_runs(
    names: Sequence[str], overrides: Sequence[str], grid: Sequence[str], out: Path | None
) -> list[Run]:
    """Return every experiment with every combination of the grid, each with its folder.

    Args:
        names: bundled names or TOML files.
        overrides: "key=value", of all of them.
        grid: "key=value,value", e.g. "models.proxy.model=preact8,preact20".
        out: the folder of a single run; else the folder of all their folders.

    Raises:
        ExperimentError: an experiment does not exist, or a setting does not fit.
    """
    points = [[*point] for point in itertools.product(*(_settings(axis) for axis in grid))]
    runs = []
    for name in names:
        for point in points:
            experiment = load_experiment(name, [*overrides, *point])
            folder = (out or Path("out")) / experiment.name
            if out is not None and len(names) == 1:
                folder = out
            runs.append(Run(experiment, folder.joinpath(",".join(point)) if point else folder))
    folders = [run.out for run in runs]
    if len(set(folders)) < len(folders):
        raise ExperimentError("Two of these experiments have the same name; run each by itself.")
    return runs


def planned_tasks(
    runs: Sequence[Run], seeds: Callable[[ExperimentConfig], list[int]]
) -> list[Task]:
    """Return the missing tasks, seed by seed, so that early seeds are whole first."""
    tasks = [
        Task(run, unit, seed)
        for run in runs
        for seed in seeds(run.experiment)
        for unit in kind_of(run.experiment).units(run.experiment)
    ]
    return [task for task in tasks if not task.is_finished]


def slots_of(devices: Sequence[str], jobs: int, threads: int) -> list[Slot]:
    """Return one slot per device, or `jobs` slots spread over the devices.

    Without a number of `threads` the slots share the cores, and the work decides how many it takes,
    as in a process alone.
    """
    n = max(jobs, len(devices))
    n_cores = max(1, joblib.cpu_count() // n)
    return [Slot(devices[i % len(devices)], threads, n_cores) for i in range(n)]


def run_tasks(
    tasks: Sequence[Task], slots: Sequence[Slot], say: Callable[[str], None]
) -> list[Task]:
    """Run the tasks, one in each slot at a time; return those that failed."""
    waiting, free = deque(tasks), list(slots)
    running: dict[subprocess.Popen[bytes], tuple[Task, Slot, float]] = {}
    failed = []
    try:
        while waiting or running:
            while waiting and free:
                task, slot = waiting.popleft(), free.pop(0)
                running[_start(task, slot)] = (task, slot, time.monotonic())
                say(f"{task.name}: started on {slot.device}, {len(waiting)} waiting")
            for process in [p for p in running if p.poll() is not None]:
                task, slot, began = running.pop(process)
                _stop(process)  # it has ended; its pipe has not
                free.append(slot)
                if process.returncode:
                    failed.append(task)
                    say(f"{task.name}: failed: {_last_words(task.log)} ({task.log})")
                else:
                    say(f"{task.name}: finished after {time.monotonic() - began:.0f} s")
            time.sleep(POLL_SECONDS)
    finally:
        for process in running:
            _stop(process)
    return failed


def _start(task: Task, slot: Slot) -> subprocess.Popen[bytes]:
    task.log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        *[*module_command(ONE_PROCESS), str(task.run.out), task.unit, str(task.seed)],
        *["--device", slot.device, "--threads", str(slot.threads)],
    ]
    with task.log.open("wb") as log:
        # In a new session, so Ctrl-C reaches only the sweep, which then closes the pipes.
        return subprocess.Popen(  # noqa: S603 - our own module
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "LOKY_MAX_CPU_COUNT": str(slot.n_cores)},  # joblib.cpu_count
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None  # noqa: S101 - it was opened by `_start`
    process.stdin.close()
    process.wait()


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "its log is empty"


def _settings(axis: str) -> list[str]:
    """Return "key=value" for each value of "key=value,value"; TOML values may hold commas."""
    key, equals, values = axis.partition("=")
    if not equals or not values:
        raise ExperimentError(f"--grid needs key=value,value, not {axis!r}.")
    try:
        listed = tomllib.loads(f"values = [{values}]")["values"]
    except tomllib.TOMLDecodeError:
        return [f"{key}={value.strip()}" for value in values.split(",")]  # bare words
    return [f"{key}={_toml(value)}" for value in listed]


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return repr(value)
