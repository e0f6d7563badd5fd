"""Options around any strategy; data only, so that the API may validate with them."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from selection.catalog import Purpose, Signal, find_strategy, known_strategies, needed_of
from selection.errors import SelectionError


class CandidateKind(StrEnum):
    """NEIGHBOURS of the labeled items, or a UNIFORM subsample of the pool."""

    NEIGHBOURS = "neighbours"
    UNIFORM = "uniform"


class FeatureSource(StrEnum):
    """Features of the PROXY, trained anew each round, or BROUGHT by the user, the same always."""

    PROXY = "proxy"
    BROUGHT = "brought"


@dataclass(frozen=True)
class Candidates:
    """The part of the pool that the strategy looks at."""

    kind: CandidateKind = field(
        metadata={
            "description": "neighbours: of the labeled items (SEALS); uniform: a subsample of the "
            "pool."
        }
    )
    n: int = field(
        metadata={
            "ge": 1,
            "le": 2**40,
            "description": "Nearest neighbours of each labeled item; or items of the subsample.",
        }
    )


@dataclass(frozen=True)
class SelectionOptions:
    """Options that apply to any strategy.

    The metadata of the fields holds their bounds; code that reads options from outside checks them
    (app.domain.json_fields).
    """

    class_balance: bool = field(
        default=False,
        metadata={
            "description": "The same number of each class, as far as there are items: of the "
            "predicted class in a batch, of the label in a core-set."
        },
    )
    duplicate_similarity: float | None = field(
        default=None,
        metadata={
            "gt": 0,
            "le": 1,
            "description": "An item whose features have this cosine similarity, or more, to a "
            "labeled or selected one goes to the end; null: no such rule.",
        },
    )
    control_fraction: float = field(
        default=0.0,
        metadata={
            "ge": 0,
            "lt": 1,
            "description": "Share of the batch drawn uniformly instead, and marked.",
        },
    )
    candidates: Candidates | None = field(
        default=None, metadata={"description": "null: the whole pool."}
    )
    measure_recall: bool = field(
        default=False,
        metadata={
            "description": "Also scan the whole pool, and report what the candidates missed."
        },
    )
    features: FeatureSource = field(
        default=FeatureSource.PROXY,
        metadata={"description": "proxy, or brought: those PUT to /features."},
    )
    cold_start: str = field(
        default="uniform",
        metadata={
            "description": "Strategy of rounds without a proxy: one that needs no signals, or "
            "features alone, which then are brought ones."
        },
    )

    power: float | None = field(
        default=None,
        metadata={
            "gt": 0,
            "le": 1000,
            "description": "Draws the batch at random, an item's chance its score to this power "
            "(power acquisition; 1 is usual), so that it is no heap of near-equal items; null: the "
            "highest scores. For strategies that score items one by one.",
        },
    )

    scales_temperature: bool = field(
        default=False,
        metadata={
            "description": "Divide the proxy's logits, before anything is scored, by the "
            "temperature that fits the evaluation split best; without one nothing is divided."
        },
    )

    def check_rules(self) -> None:
        """Check that the options fit each other.

        Raises:
            ValueError: they do not; the message says which.
        """
        if self.measure_recall and self.candidates is None:
            raise ValueError("measure_recall compares candidates with the pool; set candidates.")

    def check_cold_start(self) -> None:
        """Refuse a cold start that does not exist here, or cannot select without a proxy.

        Apart from the other rules: a stored project stays readable when a package is removed.

        Raises:
            ValueError: it does not or cannot; the message lists those that can.
        """
        if not can_start(self.cold_start):
            able = ", ".join(filter(can_start, known_strategies(Purpose.BATCH)))
            raise ValueError(
                f"cold_start must be a strategy that needs no proxy, not {self.cold_start!r}: "
                f"{able}."
            )

    def check_strategy(self, strategy: str) -> None:
        """Refuse options that the strategy cannot have.

        Raises:
            ValueError: it is so; the message lists the strategies that can.
        """
        if self.power is not None and not find_strategy(strategy).scores_items:
            able = [name for name in known_strategies() if find_strategy(name).scores_items]
            raise ValueError(
                f"power needs a strategy that scores items one by one: {', '.join(able)}; "
                f"{strategy} does not."
            )

    @property
    def finds_neighbours(self) -> bool:
        """Whether the candidates are neighbours of the labeled items."""
        return self.candidates is not None and self.candidates.kind is CandidateKind.NEIGHBOURS

    @property
    def signals(self) -> frozenset[Signal]:
        """Signals of the pool that the options need, beside the strategy's."""
        wanted = set()
        if self.class_balance:
            wanted.add(Signal.PROBS)
        if self.duplicate_similarity is not None or self.finds_neighbours:
            wanted.add(Signal.FEATURES)
        return frozenset(wanted)

    @property
    def needs_brought_features(self) -> bool:
        """Whether a project with these options cannot start without brought features."""
        is_brought = self.features is FeatureSource.BROUGHT
        return is_brought or Signal.FEATURES in needed_of(self.cold_start)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def can_start(strategy: str) -> bool:
    """Whether the strategy can select batches without a proxy: by nothing, or by features."""
    try:
        return find_strategy(strategy, Purpose.BATCH).needs <= {Signal.FEATURES}
    except SelectionError:
        return False


def needs_proxy(strategy: str, options: SelectionOptions) -> bool:
    """Whether strategy or options need a trained proxy; brought features spare its features."""
    is_brought = options.features is FeatureSource.BROUGHT
    return bool(
        (needed_of(strategy) | options.signals) - ({Signal.FEATURES} if is_brought else set())
    )
