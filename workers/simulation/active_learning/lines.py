"""Lines of active learning, one per round, and their summary."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.simulation.results import PARTS, LinesOf, SelectionLine, read_lines_of


@dataclass(frozen=True, kw_only=True)
class RoundLine(SelectionLine):
    """One round of one arm with one seed; uniform while fewer than two classes are labeled.

    Attributes:
        number: of the round, from 0.
        n_labeled_before: labels that the selector was trained on.
        n_labeled: labels after this round.
        proxy_error: the selector's error on the evaluation split, 0..1; None without a model.
        target_error: of the target trained on `n_labeled` labels; None where the target selects
            for itself and its next round gives the figure as `proxy_error`.
        recipe_name: of the selector's recipe, where it was chosen for the labels.
        target_seconds, target_cpu_seconds: training of the target, where it was trained for this
            line.
        proxy_error_best, target_error_best: the lowest over the epochs; None unless the experiment
            asks for it.
        n_rare, n_rare_in_pool: items of the classes that were made rare: labeled after this round,
            and in the pool; None where none were.
        proxy_rare_recall, target_rare_recall: share of their evaluation items that the model finds,
            averaged over these classes, 0..1.
        whole_seconds: of the round, with what data selection leaves out (encoding, warm-up,
            evaluation, checkpoints), without the target's training; None through the service.
        opening_seconds: of the process from its start, and of reading the data; in round 0.
    """

    number: int
    n_labeled_before: int
    n_labeled: int
    proxy_error: float | None
    target_error: float | None
    target_seconds: float | None
    proxy_error_best: float | None = None
    target_error_best: float | None = None
    target_cpu_seconds: float | None = None
    recipe_name: str | None = None
    n_rare: int | None = None
    n_rare_in_pool: int | None = None
    proxy_rare_recall: float | None = None
    target_rare_recall: float | None = None
    whole_seconds: float | None = None
    opening_seconds: float | None = None


class LineFile(LinesOf[RoundLine]):
    """The rounds of one arm and seed."""

    def __init__(self, folder: Path, arm: str, seed: int) -> None:
        super().__init__(RoundLine, folder, arm, seed)


def read_lines(folder: Path) -> dict[tuple[str, int], list[RoundLine]]:
    """Return the rounds of every arm and seed in a run's folder."""
    return read_lines_of(RoundLine, folder)


@dataclass(frozen=True)
class ArmResult:
    """Summary of one arm with one seed.

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
