"""Which strategy selects now: by what is known of the proxy, and of the items.

The uncertainty of a proxy that hardly does better than guessing is noise: what it picks teaches
less than a random sample. So a project begins with typical items where features need no trained
model, goes on with a sample that is uniform and spread, and selects the least certain items once
the proxy is measured to be good enough.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from selection.rank import rank as rank_by
from selection.types import ProxyAccuracy, Ranking, Signals, given

# Of the way from guessing to being always right. On four sets of texts margins beat a random
# sample from the first round on, with proxies at 0.2 to 0.7 of the way, and at 0.5 `auto` came too
# late on two of them (docs/results/models/auto_texts.json).
SWITCH_SHARE = 0.25


class Phase(StrEnum):
    """START: no proxy yet. SPREAD: it errs too often. UNCERTAIN: it knows enough to doubt."""

    START = "start"
    SPREAD = "spread"
    UNCERTAIN = "uncertain"


STRATEGY_OF = {Phase.START: "typiclust", Phase.SPREAD: "stratified", Phase.UNCERTAIN: "margin"}


@dataclass(frozen=True)
class Choice:
    """The strategy that `auto` takes, and why.

    Attributes:
        accuracy: the measured one that counted; None where there was none.
        switch_at: accuracy from which the proxy's uncertainty is asked.
    """

    phase: Phase
    strategy: str
    accuracy: ProxyAccuracy | None
    switch_at: float

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        accuracy = self.accuracy.to_json() if self.accuracy else None
        return {
            "phase": self.phase,
            "strategy": self.strategy,
            "accuracy": accuracy,
            "switch_at": self.switch_at,
        }


def switch_point(n_classes: int) -> float:
    """Return the accuracy from which the proxy's uncertainty selects."""
    chance = 1 / n_classes
    return chance + SWITCH_SHARE * (1 - chance)


def choose(
    accuracy: ProxyAccuracy | None, n_classes: int, *, has_proxy: bool, has_features: bool
) -> Choice:
    """Return the strategy of a round.

    Args:
        accuracy: the proxy's, on items that it did not learn from; None where none was measured:
            then its uncertainty is never asked.
        n_classes: C.
        has_proxy: whether a proxy was trained.
        has_features: whether there are features without one: brought ones.
    """
    switch_at = switch_point(n_classes)
    if not has_proxy:
        strategy = STRATEGY_OF[Phase.START] if has_features else "uniform"
        return Choice(Phase.START, strategy, None, switch_at)
    is_good = accuracy is not None and accuracy.low >= switch_at
    phase = Phase.UNCERTAIN if is_good else Phase.SPREAD
    return Choice(phase, STRATEGY_OF[phase], accuracy, switch_at)


def rank(signals: Signals, budget: int, rng: np.random.Generator) -> Ranking:
    """Return the ranking by the strategy that `choose` gives for a proxy of this accuracy."""
    n_classes = given(signals.probs).shape[1]
    chosen = choose(signals.accuracy, n_classes, has_proxy=True, has_features=True)
    return rank_by(chosen.strategy, signals, budget, rng)
