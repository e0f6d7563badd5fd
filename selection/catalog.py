"""Lists the strategies: the signals and the code of each; data only, cheap to import.

An installed package brings a strategy by an entry point of the group `svp.strategies`, whose name
is the strategy's and whose object is a `StrategyInfo`, as the bundled ones have. The API loads it
too, so its module should be cheap to import; the code stands in another module, which
`StrategyInfo.ranker` names.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from selection.errors import SelectionError, UnknownStrategyError

PLUGIN_GROUP = "svp.strategies"
AUTO = "auto"  # the strategy that takes another one, by the proxy's accuracy


class Signal(StrEnum):
    """A signal that a strategy needs, over the rows of the pool (selection.types.Signals)."""

    PROBS = "probs"
    FEATURES = "features"
    LABELS = "labels"
    FORGETTING_COUNTS = "forgetting_counts"
    ACCURACY = "accuracy"


class Purpose(StrEnum):
    """BATCH: which items to label next. CORE_SET: which labeled items to keep for training."""

    BATCH = "batch"
    CORE_SET = "core_set"


PLURALS = MappingProxyType({Purpose.BATCH: "batches", Purpose.CORE_SET: "core-sets"})
# Known without a label of the items.
OF_POOL = frozenset({Signal.PROBS, Signal.FEATURES, Signal.ACCURACY})


@dataclass(frozen=True)
class StrategyInfo:
    """One strategy: its name in the API, what it does, what it needs, and the code behind it.

    Attributes:
        ranker: "package.module:function", a `selection.rank.Ranker`; imported when it first ranks.
        needs: signals that it needs. One that needs none, or features alone, can be a cold start.
        takes_watch: its ranker takes a `selection.watch.Watch` as fourth argument, by which a long
            selection is followed, stopped and resumed, and placed on a device.
        is_nested: a smaller budget gives a prefix of a larger one's selection.
        draws: chance takes part, so that the order of the pool's rows matters.
        scores_items: an item's score depends on that item alone, so that a batch can be drawn by
            the scores (SelectionOptions.power).
        n_copies: of probabilities and features that it holds at most; a selection whose copies do
            not fit in memory is refused.
        estimator: "package.module:function" like `selection.k_centers.greedy.estimate_run`, which
            says what a selection will need; None: it cannot say.
        sharded_ranker: "package.module:function" of a pool in shards, like
            `selection.k_centers.sharded.sharded_k_centers`; None: it needs the whole pool.

    Raises:
        SelectionError: a strategy for batches needs what is known of labeled items alone.
    """

    name: str
    title: str
    description: str
    ranker: str
    needs: frozenset[Signal] = frozenset()
    purposes: frozenset[Purpose] = frozenset({Purpose.BATCH})
    takes_watch: bool = False
    is_nested: bool = True
    draws: bool = False
    scores_items: bool = False
    n_copies: int = 0
    estimator: str | None = None
    sharded_ranker: str | None = None

    def __post_init__(self) -> None:
        unknown = sorted(self.needs - OF_POOL)
        if Purpose.BATCH in self.purposes and unknown:
            raise SelectionError(
                f"Strategy {self.name} needs {', '.join(unknown)}, which no item of a pool has; "
                "its purposes can be core_set only."
            )


BOTH = frozenset(Purpose)


def _catalog(*entries: StrategyInfo) -> Mapping[str, StrategyInfo]:
    return MappingProxyType({entry.name: entry for entry in entries})


STRATEGIES = _catalog(
    StrategyInfo(
        AUTO,
        "Automatic",
        "Typical items first, then a spread random sample, and the smallest margins once the proxy "
        "is measured to be good enough.",
        "selection.auto:rank",
        frozenset({Signal.PROBS, Signal.FEATURES, Signal.ACCURACY}),
        is_nested=False,
        draws=True,
        scores_items=True,
        n_copies=3,
    ),
    StrategyInfo(
        "uniform",
        "Uniform",
        "A random sample of the pool; needs no model, so it also starts a project.",
        "selection.uniform:rank",
        purposes=BOTH,
        draws=True,
    ),
    StrategyInfo(
        "stratified",
        "Stratified",
        "A random sample in which every cluster of features has its share.",
        "selection.stratified:rank",
        frozenset({Signal.FEATURES}),
        is_nested=False,
        draws=True,
        n_copies=3,
    ),
    StrategyInfo(
        "least_confidence",
        "Least confidence",
        "Items whose most probable class is least probable: 1 - max p.",
        "selection.uncertainty:rank_by_least_confidence",
        frozenset({Signal.PROBS}),
        purposes=BOTH,
        scores_items=True,
    ),
    StrategyInfo(
        "entropy",
        "Entropy",
        "Items whose class probabilities have the highest entropy: -sum p ln p.",
        "selection.uncertainty:rank_by_entropy",
        frozenset({Signal.PROBS}),
        purposes=BOTH,
        scores_items=True,
    ),
    StrategyInfo(
        "margin",
        "Margin",
        "Items whose two most probable classes are closest: 1 - (p1 - p2).",
        "selection.uncertainty:rank_by_margin",
        frozenset({Signal.PROBS}),
        scores_items=True,
    ),
    StrategyInfo(
        "k_centers",
        "Greedy k-centers",
        "Each next item is the one farthest from all labeled and selected ones in feature space.",
        "selection.k_centers.greedy:rank",
        frozenset({Signal.FEATURES}),
        purposes=BOTH,
        takes_watch=True,
        estimator="selection.k_centers.greedy:estimate_run",
        sharded_ranker="selection.k_centers.sharded:sharded_k_centers",
    ),
    StrategyInfo(
        "badge",
        "BADGE",
        "Diverse and uncertain: a k-means++ draw over the gradients of the last layer.",
        "selection.badge:rank",
        frozenset({Signal.PROBS, Signal.FEATURES}),
        draws=True,
        n_copies=1,
    ),
    StrategyInfo(
        "cluster_margin",
        "Cluster-margin",
        "The items with the smallest margins, spread over clusters of features.",
        "selection.cluster_margin:rank",
        frozenset({Signal.PROBS, Signal.FEATURES}),
        is_nested=False,
        draws=True,
        n_copies=2,
    ),
    StrategyInfo(
        "typiclust",
        "TypiClust",
        "The most typical item of each cluster of features; for the first batches.",
        "selection.typiclust:rank",
        frozenset({Signal.FEATURES}),
        is_nested=False,
        draws=True,
        n_copies=3,
    ),
    StrategyInfo(
        "probcover",
        "ProbCover",
        "Items whose surroundings in feature space cover most of the pool; for the first batches.",
        "selection.probcover:rank",
        frozenset({Signal.FEATURES}),
        draws=True,
        n_copies=4,
    ),
    StrategyInfo(
        "facility_location",
        "Facility location",
        "Items that stand for all others: each adds most similarity between pool and selection.",
        "selection.facility_location:rank",
        frozenset({Signal.FEATURES}),
        purposes=BOTH,
        n_copies=1,
    ),
    StrategyInfo(
        "forgetting_events",
        "Forgetting events",
        "Items that training learned and forgot most often; those never learned first.",
        "selection.core_sets:rank_by_forgetting_events",
        frozenset({Signal.FORGETTING_COUNTS}),
        purposes=frozenset({Purpose.CORE_SET}),
    ),
    StrategyInfo(
        "el2n",
        "EL2N",
        "Items with the largest error of the predicted probabilities, early in training.",
        "selection.core_sets:rank_by_el2n",
        frozenset({Signal.PROBS, Signal.LABELS}),
        purposes=frozenset({Purpose.CORE_SET}),
    ),
)


@cache
def installed_points() -> tuple[EntryPoint, ...]:
    """Return the entry points of the packages that were installed when this process first asked.

    Looking for them reads the folder of every installed package.
    """
    return tuple(entry_points(group=PLUGIN_GROUP))


def known_strategies(purpose: Purpose | None = None) -> list[str]:
    """Return the names of the strategies for a purpose, or all that load, sorted."""
    found = []
    for name in sorted({*STRATEGIES, *(point.name for point in installed_points())}):
        with suppress(SelectionError):
            purposes = find_strategy(name).purposes
            found += [name] if purpose is None or purpose in purposes else []
    return found


def find_strategy(name: str, purpose: Purpose | None = None) -> StrategyInfo:
    """Return the strategy of this name: ours, or one that an installed package brings.

    Raises:
        UnknownStrategyError: there is none; the message lists the known ones.
        SelectionError: it is not for the purpose, or a package's entry point is not what it must
            be.
    """
    found = _brought(name) or STRATEGIES.get(name)
    if found is None:
        raise UnknownStrategyError(name, known_strategies(purpose))
    if purpose is not None and purpose not in found.purposes:
        raise SelectionError(
            f"{name} selects no {PLURALS[purpose]}; strategies that do are "
            f"{', '.join(known_strategies(purpose))}."
        )
    return found


def _brought(name: str) -> StrategyInfo | None:
    """Return the strategy of this name that an installed package brings, if one does.

    Raises:
        SelectionError: two packages bring it, or one takes a name of ours, or its entry point does
            not load or is no StrategyInfo of its name.
    """
    points = [point for point in installed_points() if point.name == name]
    if not points:
        return None
    where = f"Entry point {name!r} of {PLUGIN_GROUP}"
    if name in STRATEGIES:
        raise SelectionError(f"{where} takes the name of a built-in strategy.")
    if len(points) > 1:
        brought_by = ", ".join(sorted(p.dist.name for p in points if p.dist))
        raise SelectionError(
            f"Strategy {name!r} is brought by more than one package: {brought_by}."
        )
    try:
        found = points[0].load()
    except Exception as error:
        raise SelectionError(f"{where} does not load: {type(error).__name__}: {error}.") from error
    if not isinstance(found, StrategyInfo) or found.name != name:
        raise SelectionError(
            f"{where} must be a selection.catalog.StrategyInfo of that name, not {found!r}."
        )
    return found


def needed_of(strategy: str) -> frozenset[Signal]:
    """Return the signals that the strategy needs.

    One that is not installed here is taken to need all of a proxy's: the job that selects with it
    says what is wrong.
    """
    try:
        return find_strategy(strategy).needs
    except SelectionError:
        return OF_POOL


def needs_model(strategy: str) -> bool:
    """Whether the strategy needs signals of a trained model."""
    return bool(needed_of(strategy))
