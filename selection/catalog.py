"""Which strategies exist and what they need; data only, so that the API may validate with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Signal(StrEnum):
    """What a strategy needs of the proxy, over the rows of the pool."""

    PROBS = "probs"
    FEATURES = "features"


@dataclass(frozen=True)
class StrategyInfo:
    """One strategy: its name in the API, what it does, and the signals that it needs."""

    name: str
    title: str
    description: str
    needs: frozenset[Signal]


def _catalog(*entries: StrategyInfo) -> Mapping[str, StrategyInfo]:
    return MappingProxyType({entry.name: entry for entry in entries})


STRATEGIES = _catalog(
    StrategyInfo(
        "uniform",
        "Uniform",
        "A random sample of the pool; needs no model, so it also starts a project.",
        frozenset(),
    ),
    StrategyInfo(
        "least_confidence",
        "Least confidence",
        "Items whose most probable class is least probable: 1 - max p.",
        frozenset({Signal.PROBS}),
    ),
    StrategyInfo(
        "entropy",
        "Entropy",
        "Items whose class probabilities have the highest entropy: -sum p ln p.",
        frozenset({Signal.PROBS}),
    ),
    StrategyInfo(
        "margin",
        "Margin",
        "Items whose two most probable classes are closest: 1 - (p1 - p2).",
        frozenset({Signal.PROBS}),
    ),
    StrategyInfo(
        "k_centers",
        "Greedy k-centers",
        "Each next item is the one farthest from all labeled and selected ones in feature space.",
        frozenset({Signal.FEATURES}),
    ),
)
