"""Results of experiments: JSON lines, appended whole, and read back to resume."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from app.storage.durable import sync
from workers.simulation.config import ExperimentError

PARTS = ("training", "inference", "selection")
# Not written where they hold nothing: lines stay as they were before there were these.
YOUNG = frozenset({"proxy_error_best", "target_error_best"})


def software_versions() -> dict[str, str]:
    """Return the versions that decide results, and on how many threads the CPU computes."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy")},
        "threads": str(torch.get_num_threads()),
    }


@dataclass(frozen=True)
class RoundLine:
    """One round of one arm with one seed.

    Attributes:
        number: of the round, from 0.
        strategy: that selected; uniform while fewer than two classes are labeled.
        indices: pool indices of the batch, best rank first.
        n_labeled_before: labels that the selector was trained on.
        n_labeled: labels after this round.
        proxy_error: the selector's error on the evaluation split, 0..1; None without a model.
        target_error: of the target trained on `n_labeled` labels; None where the target selects
            for itself and its next round gives the figure as `proxy_error`.
        seconds: data selection by part, and evaluation beside them.
        target_seconds: training of the target, where it was trained for this line.
        recipe_hash: of the selector's recipe; None without a model.
        proxy_error_best, target_error_best: the lowest over the epochs; None, and not in the line,
            unless the experiment asks for it.
    """

    experiment: str
    experiment_hash: str
    data: str
    arm: str
    seed: int
    number: int
    strategy: str
    selector: str
    indices: list[int]
    n_labeled_before: int
    n_labeled: int
    proxy_error: float | None
    target_error: float | None
    seconds: dict[str, float]
    target_seconds: float | None
    device: str
    recipe_hash: str | None
    target_recipe_hash: str
    via: str
    versions: dict[str, str] = field(default_factory=software_versions)
    proxy_error_best: float | None = None
    target_error_best: float | None = None

    @property
    def selection_seconds(self) -> float:
        """Data selection runtime: training + inference + selection."""
        return sum(self.seconds.get(part, 0.0) for part in PARTS)


@dataclass(frozen=True)
class CoreSetLine:
    """One core-set: what an arm keeps of the pool with one seed, and the target trained on it.

    Attributes:
        strategy: that chose; "uniform" in the arm "all", the row of 100%.
        selector: name in models.catalog; "none" where the strategy needs none.
        selector_epochs: of its recipe; None without one.
        fraction: of the pool, 0..1.
        indices: pool indices that are kept, in order of selection.
        selector_error: on the evaluation split, 0..1; None without a selector.
        target_error: of the target trained on the core-set.
        target_error_best: the lowest over its epochs; None unless the experiment asks for it.
        seconds: data selection by part, as if the selector had been trained for this line alone,
            and evaluation beside them.
        target_seconds: training of the target.
        recipe_hash: of the selector's recipe; None without one.
    """

    experiment: str
    experiment_hash: str
    data: str
    arm: str
    seed: int
    strategy: str
    selector: str
    selector_epochs: int | None
    fraction: float
    n_kept: int
    n_pool: int
    indices: list[int]
    selector_error: float | None
    target_error: float
    seconds: dict[str, float]
    target_seconds: float
    device: str
    recipe_hash: str | None
    target_recipe_hash: str
    via: str
    target_error_best: float | None = None
    kind: str = "core_set"
    versions: dict[str, str] = field(default_factory=software_versions)

    @property
    def selection_seconds(self) -> float:
        """Data selection runtime: training + inference + selection."""
        return sum(self.seconds.get(part, 0.0) for part in PARTS)

    @property
    def total_seconds(self) -> float:
        """Data selection and the target's training: to compare with the latter on everything."""
        return self.selection_seconds + self.target_seconds


@dataclass(frozen=True)
class StudyLine:
    """One model of a study with one seed after one epoch.

    Attributes:
        model: its key in the experiment's table `models`.
        architecture: its name in models.catalog.
        epochs: of the recipe.
        epoch: after which this was measured, from 1.
        error: on the evaluation split, 0..1.
        train_seconds: training until here, without measurements.
        scores_file: name of the file of per-item scores, beside the lines; see `read_scores`.
    """

    experiment: str
    experiment_hash: str
    data: str
    model: str
    architecture: str
    seed: int
    epochs: int
    epoch: int
    error: float
    train_seconds: float
    scores_file: str
    device: str
    recipe_hash: str
    via: str
    kind: str = "model_study"
    versions: dict[str, str] = field(default_factory=software_versions)


def read_scores(folder: Path, line: StudyLine) -> dict[str, npt.NDArray[np.float64]]:
    """Return the per-item scores of a study's line, each [n_pool], higher = sooner but for ranks.

    Keys: entropy, least_confidence, margin; forgetting_events, how often each item was forgotten
    so far, +inf where it was never right (not of a model that counts none); of the last epoch
    k_centers_rank, the place in the greedy order, 0 for the first centres, which were drawn and
    not ranked; items that were not reached share the last place.
    """
    with np.load(folder / line.scores_file) as stored:
        return {name: stored[name].astype(np.float64) for name in stored.files}


Line = TypeVar("Line", RoundLine, CoreSetLine, StudyLine)


class LinesOf(Generic[Line]):
    """The lines of one arm (or model) and seed; a line that was cut off by a crash is dropped."""

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
            values = {k: v for k, v in asdict(line).items() if v is not None or k not in YOUNG}
            file.write(json.dumps(values).encode() + b"\n")
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


class LineFile(LinesOf[RoundLine]):
    """The rounds of one arm and seed."""

    def __init__(self, folder: Path, arm: str, seed: int) -> None:
        super().__init__(RoundLine, folder, arm, seed)


def read_lines(folder: Path) -> dict[tuple[str, int], list[RoundLine]]:
    """Return the rounds of every arm and seed in a run's folder."""
    return read_lines_of(RoundLine, folder)


def read_lines_of(line_type: type[Line], folder: Path) -> dict[tuple[str, int], list[Line]]:
    """Return the lines of every arm (or model) and seed in a run's folder."""
    runs = {}
    for path in sorted(folder.glob("*.jsonl")):
        arm, _, seed = path.stem.rpartition("-seed")
        lines = LinesOf(line_type, folder, arm, int(seed)).read()
        if lines:
            runs[arm, int(seed)] = lines
    return runs


@dataclass(frozen=True)
class ArmResult:
    """One arm with one seed, summed up.

    Attributes:
        n_labels: labels at each measured point, ascending.
        target_errors: the target's error at each point, 0..1.
        seconds: data selection seconds by part, summed over the rounds.
    """

    name: str
    seed: int
    selector: str
    n_labels: list[int]
    target_errors: list[float]
    seconds: dict[str, float]

    @property
    def selection_seconds(self) -> float:
        """Data selection runtime over all rounds."""
        return sum(self.seconds.values())

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {**asdict(self), "selection_seconds": self.selection_seconds}


def summarize(lines: Sequence[RoundLine]) -> ArmResult:
    """Return the result of one arm and seed from its lines, by round.

    Where the target selects for itself, a round's target is the next round's selector.
    """
    points: dict[int, float] = {}
    for line in lines:
        if line.target_error is not None:
            points[line.n_labeled] = line.target_error
        elif line.number + 1 < len(lines):
            error = lines[line.number + 1].proxy_error
            if error is not None:
                points[line.n_labeled] = error
    seconds = {part: sum(line.seconds.get(part, 0.0) for line in lines) for part in PARTS}
    models = {line.selector for line in lines}
    return ArmResult(
        name=lines[0].arm,
        seed=lines[0].seed,
        selector=next(iter(models - {"none"}), "none"),
        n_labels=list(points),
        target_errors=list(points.values()),
        seconds=seconds,
    )
