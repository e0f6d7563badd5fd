"""The cheapest proxy that selects as the target would, of several, within a budget of seconds.

Source: Selection via Proxy, figures 3 and 4: how far depth and epochs may be cut before the order
of the items is no longer the target's. Here on the labels at hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.domain.audit import TARGETS
from models.catalog import ModelSetup
from workers.steps.comparison import (
    Comparison,
    ModelAgreement,
    SampleScores,
    as_json,
    compare,
)


@dataclass(frozen=True)
class Candidate:
    """A proxy to try, by a name of its own."""

    name: str
    setup: ModelSetup


@dataclass(frozen=True)
class ProxyAdvice:
    """Which proxy to take.

    Attributes:
        comparison: of the candidates that were tried, in the order in which they were.
        selection_seconds: by name, of a data selection: training, and scoring the whole pool.
        reaching: candidates whose gap to the ceiling may be 0, cheapest first; none where the
            ceiling itself may be 0.
        recommended: the first of those; None where none reaches the ceiling.
        not_tried: candidates for which no seconds were left.
    """

    comparison: Comparison
    selection_seconds: dict[str, float]
    reaching: list[str]
    recommended: str | None
    not_tried: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**vars(self), "comparison": as_json(self.comparison)}


def advise_proxy(
    scores: SampleScores, candidates: Sequence[Candidate], budget_seconds: float
) -> ProxyAdvice:
    """Return which of the candidates to take.

    The target is trained first, twice, whatever the budget is. No candidate begins once the budget
    is spent, in this run and those before an interruption; the one at hand is finished.

    Args:
        scores: trains models and lets them score the sample.
        candidates: in the order in which they are tried.
        budget_seconds: on the clock, of all trainings and scorings, the target's included.

    Raises:
        TrainingStopped: its hooks asked for it.
    """
    scores.targets()
    tried: list[str] = []
    found = []
    for candidate in candidates:
        if sum(scores.stages.seconds.wall.values()) >= budget_seconds:
            break
        found.append(scores.of(candidate.name, candidate.setup))
        tried.append(candidate.name)
    comparison = compare(
        scores, tried, np.stack(found) if found else np.empty((0, len(scores.sample)))
    )
    seconds = {m.name: _selection_seconds(m, comparison) for m in comparison.models}
    near = [m.name for m in comparison.models if m.gap.low <= 0]
    # Where two targets do not agree with each other, nearness to them says nothing.
    reaching = sorted(near if comparison.ceiling.low > 0 else [], key=lambda name: seconds[name])
    target = comparison.targets[0]
    seconds[TARGETS[0]] = _seconds(target["train_seconds"], target["score_seconds"], comparison)
    return ProxyAdvice(
        comparison,
        seconds,
        reaching,
        reaching[0] if reaching else None,
        [candidate.name for candidate in candidates[len(tried) :]],
    )


def _selection_seconds(model: ModelAgreement, comparison: Comparison) -> float:
    return _seconds(model.train_seconds, model.score_seconds, comparison)


def _seconds(training: float, scoring: float, comparison: Comparison) -> float:
    return training + scoring * comparison.n_pool / comparison.n_sample
