"""Results of experiments: JSON lines, appended whole, and read back to resume."""

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Generic, TypeVar

import torch

from app.storage.durable import sync
from workers.simulation.config import ExperimentError

PARTS = ("training", "inference", "selection")
SHARED_RATIO = 1.3  # wall seconds over CPU seconds
SMALLEST_SHARED = 0.1  # seconds; clocks are too coarse below


def is_shared(seconds: float | None, cpu_seconds: float | None, device: str) -> bool:
    """Return whether a measurement waited for other work on its machine.

    That is, it took over 1.3 times the seconds that its CPU seconds explain even on one thread. A
    computation of several threads is thus marked late rather than wrongly. A GPU's never is: the
    CPU waits for it.
    """
    if seconds is None or cpu_seconds is None or device.startswith("cuda"):
        return False
    return seconds >= SMALLEST_SHARED and seconds > SHARED_RATIO * cpu_seconds


def software_versions() -> dict[str, str]:
    """Return the versions that decide results, and on how many threads the CPU computes."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy")},
        "threads": str(torch.get_num_threads()),
    }


@dataclass(frozen=True, kw_only=True)
class ResultLine:
    """A line of results: the fields that every kind of experiment has.

    Attributes:
        experiment: its name.
        experiment_hash: of the settings that decide results.
        data: title of the data set; it ends in "(modified)" where the files are not as published.
        via: "process", or "service" through the HTTP API.
    """

    experiment: str
    experiment_hash: str
    data: str
    seed: int
    device: str
    via: str
    versions: dict[str, str] = field(default_factory=software_versions)


@dataclass(frozen=True, kw_only=True)
class SelectionLine(ResultLine):
    """A line of results where an arm selects items.

    Attributes:
        strategy: that selected.
        selector: name in models.catalog; "none" without a model.
        indices: pool indices of the selected items, best rank first.
        seconds: data selection by part, and evaluation.
        cpu_seconds: of all cores, for the same parts; empty in runs from before it was measured.
        recipe_hash: of the selector's recipe; None without a model.
    """

    arm: str
    strategy: str
    selector: str
    indices: list[int]
    seconds: dict[str, float]
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    recipe_hash: str | None
    target_recipe_hash: str

    @property
    def selection_seconds(self) -> float:
        """Data selection runtime: training + inference + selection."""
        return sum(self.seconds.get(part, 0.0) for part in PARTS)

    @property
    def selection_cpu_seconds(self) -> float | None:
        """Data selection CPU seconds; None where they were not measured."""
        if not self.cpu_seconds:
            return None
        return sum(self.cpu_seconds.get(part, 0.0) for part in PARTS)

    @property
    def is_shared(self) -> bool:
        """Whether any part of data selection waited for other work on the machine."""
        return any(
            is_shared(self.seconds.get(part), self.cpu_seconds.get(part), self.device)
            for part in PARTS
        )


Line = TypeVar("Line", bound=ResultLine)


class LinesOf(Generic[Line]):
    """The lines of one arm (or model) and seed; a line that a crash left incomplete is dropped."""

    def __init__(self, line_type: type[Line], folder: Path, arm: str, seed: int) -> None:
        self.line_type: type[Line] = line_type
        self.path = folder / f"{arm}-seed{seed}.jsonl"

    def read(self) -> list[Line]:
        """Return the whole lines, in the order they were written."""
        if not self.path.exists():
            return []
        whole = self.path.read_bytes().rpartition(b"\n")[0].split(b"\n")
        return [self._parsed(number, line) for number, line in enumerate(whole, 1) if line]

    def _parsed(self, number: int, line: bytes) -> Line:
        try:
            return self.line_type(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise ExperimentError(
                f"Line {number} of {self.path} is damaged or of another version: {error}. Take "
                "this line and those after it out; the same command computes them again."
            ) from None

    def append(self, line: Line) -> None:
        """Write the line to the disk; it is there whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._drop_cut_off_line()
        is_new = not self.path.exists()
        with self.path.open("ab") as file:
            file.write(json.dumps(asdict(line)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync(self.path.parent)

    def _drop_cut_off_line(self) -> None:
        if self.path.exists():
            data = self.path.read_bytes()
            whole = len(data.rpartition(b"\n")[0]) + (b"\n" in data)
            if whole != len(data):
                os.truncate(self.path, whole)


def read_lines_of(line_type: type[Line], folder: Path) -> dict[tuple[str, int], list[Line]]:
    """Return the lines of every arm (or model) and seed in a run's folder."""
    runs = {}
    for path in sorted(folder.glob("*.jsonl")):
        arm, _, seed = path.stem.rpartition("-seed")
        lines = LinesOf(line_type, folder, arm, int(seed)).read()
        if lines:
            runs[arm, int(seed)] = lines
    return runs
