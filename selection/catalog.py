"""Which strategies exist and what they need; data only, so that the API may validate with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from types import MappingProxyType

PLUGIN_GROUP = "svp.strategies"


class Signal(StrEnum):
    """A signal that a strategy needs, over the rows of the pool (selection.types.Signals)."""

    PROBS = "probs"
    FEATURES = "features"
    LABELS = "labels"
    FORGETTING_COUNTS = "forgetting_counts"


class Purpose(StrEnum):
    """BATCH: which items to label next. CORE_SET: which labeled items to keep for training."""

    BATCH = "batch"
    CORE_SET = "core_set"


@dataclass(frozen=True)
class StrategyInfo:
    """One strategy: its name in the API, what it does, its signals, and what it is good for.

    Attributes:
        is_nested: a smaller budget gives a prefix of a larger one's selection.
        draws: chance takes part, so that the order of the pool's rows matters.
    """

    name: str
    title: str
    description: str
    needs: frozenset[Signal]
    purposes: frozenset[Purpose] = frozenset({Purpose.BATCH})
    is_nested: bool = True
    draws: bool = False


BOTH = frozenset(Purpose)


def _catalog(*entries: StrategyInfo) -> Mapping[str, StrategyInfo]:
    return MappingProxyType({entry.name: entry for entry in entries})


STRATEGIES = _catalog(
    StrategyInfo(
        "uniform",
        "Uniform",
        "A random sample of the pool; needs no model, so it also starts a project.",
        frozenset(),
        BOTH,
        draws=True,
    ),
    StrategyInfo(
        "least_confidence",
        "Least confidence",
        "Items whose most probable class is least probable: 1 - max p.",
        frozenset({Signal.PROBS}),
        BOTH,
    ),
    StrategyInfo(
        "entropy",
        "Entropy",
        "Items whose class probabilities have the highest entropy: -sum p ln p.",
        frozenset({Signal.PROBS}),
        BOTH,
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
        BOTH,
    ),
    StrategyInfo(
        "badge",
        "BADGE",
        "Diverse and uncertain: a k-means++ draw over the gradients of the last layer.",
        frozenset({Signal.PROBS, Signal.FEATURES}),
        draws=True,
    ),
    StrategyInfo(
        "cluster_margin",
        "Cluster-margin",
        "The items with the smallest margins, spread over clusters of features.",
        frozenset({Signal.PROBS, Signal.FEATURES}),
        is_nested=False,
        draws=True,
    ),
    StrategyInfo(
        "typiclust",
        "TypiClust",
        "The most typical item of each cluster of features; for the first batches.",
        frozenset({Signal.FEATURES}),
        is_nested=False,
        draws=True,
    ),
    StrategyInfo(
        "probcover",
        "ProbCover",
        "Items whose surroundings in feature space cover most of the pool; for the first batches.",
        frozenset({Signal.FEATURES}),
        draws=True,
    ),
    StrategyInfo(
        "facility_location",
        "Facility location",
        "Items that stand for all others: each adds most similarity between pool and selection.",
        frozenset({Signal.FEATURES}),
        BOTH,
    ),
    StrategyInfo(
        "forgetting_events",
        "Forgetting events",
        "Items that training learned and forgot most often; those never learned first.",
        frozenset({Signal.FORGETTING_COUNTS}),
        frozenset({Purpose.CORE_SET}),
    ),
    StrategyInfo(
        "el2n",
        "EL2N",
        "Items with the largest error of the predicted probabilities, early in training.",
        frozenset({Signal.PROBS, Signal.LABELS}),
        frozenset({Purpose.CORE_SET}),
    ),
)


@cache
def installed_points() -> EntryPoints:
    """Return the entry points of the packages that were installed when this process first asked.

    Looking for them reads the folder of every installed package.
    """
    return entry_points(group=PLUGIN_GROUP)


def plugin_names() -> frozenset[str]:
    """Return the names of the strategies that installed packages bring, without loading them."""
    return frozenset(installed_points().names)


def known_strategies(purpose: Purpose = Purpose.BATCH) -> list[str]:
    """Return the names that a project (or a core-set) may use, sorted."""
    ours = {name for name, info in STRATEGIES.items() if purpose in info.purposes}
    return sorted(ours | (plugin_names() if purpose is Purpose.BATCH else frozenset()))


def needed_of(strategy: str) -> frozenset[Signal]:
    """Return the signals that the strategy needs; a plugin is taken to need all of a proxy's."""
    info = STRATEGIES.get(strategy)
    return frozenset({Signal.PROBS, Signal.FEATURES}) if info is None else info.needs


def needs_model(strategy: str) -> bool:
    """Whether the strategy needs signals of a trained model."""
    return bool(needed_of(strategy))
