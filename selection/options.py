"""Options around any strategy; data only, so that the API may validate with them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from numbers import Integral, Real
from typing import Any

from selection.catalog import Signal, known_strategies, needed_of


class OptionsError(ValueError):
    """An option is unknown, has a value that is not allowed, or contradicts another."""


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
    """The part of the pool that the strategy looks at.

    Attributes:
        kind: how it is found.
        n: items of the subsample; or nearest neighbours of each labeled item.
    """

    kind: CandidateKind
    n: int


@dataclass(frozen=True)
class SelectionOptions:
    """Options that apply to any strategy.

    Attributes:
        class_balance: the same number of each class, as far as there are items: of the predicted
            class in a batch, of the label in a core-set.
        duplicate_similarity: an item whose features have this cosine similarity (or more) to a
            labeled or selected one goes to the end; None = no such rule.
        control_fraction: share of the batch that is drawn uniformly instead, and marked.
        candidates: None = the whole pool.
        measure_recall: also scan the whole pool, and report which share of that selection the
            candidates gave.
        features: whose features strategy, duplicates and neighbours use.
        cold_start: strategy while no proxy can be trained; others than uniform need brought
            features.
    """

    class_balance: bool = False
    duplicate_similarity: float | None = None
    control_fraction: float = 0.0
    candidates: Candidates | None = None
    measure_recall: bool = False
    features: FeatureSource = FeatureSource.PROXY
    cold_start: str = "uniform"

    def __post_init__(self) -> None:
        self._check_types()
        if self.duplicate_similarity is not None and not 0 < self.duplicate_similarity <= 1:
            raise OptionsError(
                f"duplicate_similarity must be in (0, 1], not {self.duplicate_similarity}."
            )
        if not 0 <= self.control_fraction < 1:
            raise OptionsError(f"control_fraction must be in [0, 1), not {self.control_fraction}.")
        if self.candidates is not None and self.candidates.n < 1:
            raise OptionsError(f"candidates.n must be at least 1, not {self.candidates.n}.")
        if self.measure_recall and self.candidates is None:
            raise OptionsError("measure_recall compares candidates with the pool; set candidates.")
        if not needed_of(self.cold_start) <= {Signal.FEATURES}:
            able = [name for name in known_strategies() if needed_of(name) <= {Signal.FEATURES}]
            raise OptionsError(
                f"cold_start must be a strategy that needs no proxy, not {self.cold_start!r}: "
                f"{', '.join(able)}."
            )

    def _check_types(self) -> None:
        """JSON may hold anything.

        Raises:
            OptionsError: a value is of another type than its field.
        """
        for name in ("class_balance", "measure_recall"):
            if not isinstance(getattr(self, name), bool):
                raise OptionsError(f"{name} must be true or false, not {getattr(self, name)!r}.")
        for name in ("duplicate_similarity", "control_fraction"):
            value = getattr(self, name)
            may_be_none = value is None and name == "duplicate_similarity"
            if not may_be_none and (isinstance(value, bool) or not isinstance(value, Real)):
                raise OptionsError(f"{name} must be a number, not {value!r}.")
        n = 1 if self.candidates is None else self.candidates.n
        if isinstance(n, bool) or not isinstance(n, Integral):
            raise OptionsError(f"candidates.n must be a whole number, not {n!r}.")
        if not isinstance(self.cold_start, str):
            raise OptionsError(f"cold_start must be a strategy's name, not {self.cold_start!r}.")

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
        return self.features is FeatureSource.BROUGHT or self.cold_start != "uniform"

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; `options_from_json` reads them back."""
        return asdict(self)


def needs_proxy(strategy: str, options: SelectionOptions) -> bool:
    """Whether strategy or options need a trained proxy; brought features spare its features."""
    is_brought = options.features is FeatureSource.BROUGHT
    return bool(
        (needed_of(strategy) | options.signals) - ({Signal.FEATURES} if is_brought else set())
    )


def options_from_json(values: Mapping[str, Any]) -> SelectionOptions:
    """Return the options that `SelectionOptions.to_json` wrote, checked anew.

    Raises:
        OptionsError: a name or value is not allowed.
    """
    unknown = sorted(set(values) - {f.name for f in fields(SelectionOptions)})
    if unknown:
        known = ", ".join(f.name for f in fields(SelectionOptions))
        raise OptionsError(f"There is no option {', '.join(unknown)}; known are {known}.")
    given = dict(values)
    try:
        if given.get("candidates") is not None:
            candidates = dict(given["candidates"])
            given["candidates"] = Candidates(CandidateKind(candidates.pop("kind")), **candidates)
        if "features" in given:
            given["features"] = FeatureSource(given["features"])
    except (KeyError, TypeError, ValueError) as error:
        raise OptionsError(f"A selection option does not fit: {error}.") from None
    return SelectionOptions(**given)
