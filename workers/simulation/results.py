"""What one arm of an experiment gave: errors by labels, and seconds by part."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

PARTS = ("training", "inference", "selection")


@dataclass
class ArmResult:
    """One arm: who selects, and what came of it.

    Attributes:
        name: "proxy", "target" or "uniform".
        n_labels: labels at each measured point, ascending.
        target_errors: the target's error on the evaluation split at each point, 0..1.
        seconds: data selection seconds by part, summed over the rounds: what the service measured.
        target_seconds: training of the delivered target.
        wall_seconds: from start to finish, labeling included.
    """

    name: str
    selector: str
    n_labels: list[int] = field(default_factory=list)
    target_errors: list[float] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    target_seconds: float = 0.0
    wall_seconds: float = 0.0

    @property
    def selection_seconds(self) -> float:
        """Data selection runtime: proxy training + inference + selection over all rounds."""
        return sum(self.seconds.get(part, 0.0) for part in PARTS)

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {**asdict(self), "selection_seconds": self.selection_seconds}


def sum_seconds(rounds: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the seconds by part, summed over the rounds of a project."""
    total: dict[str, float] = {}
    for round_ in rounds:
        for part, seconds in round_["seconds"].items():
            total[part] = total.get(part, 0.0) + seconds
    return total
