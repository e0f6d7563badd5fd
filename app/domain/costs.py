"""Estimates what selecting by the target would have cost, from the trainings that were measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

SAME = 0.05  # labels that differ by less are the same number


class Basis(StrEnum):
    """The measurement that an estimate rests on."""

    AUDIT = "audit"
    TARGET_JOB = "target_job"


@dataclass(frozen=True)
class TargetTiming:
    """A measured training of the target on `n_labeled` labels, and its scoring of one item."""

    basis: Basis
    n_labeled: int
    train_seconds: float
    score_seconds: float  # of one item


@dataclass(frozen=True)
class SelectingRound:
    """A round that selected with a proxy: what it knew, what it scored, and its seconds."""

    n_labeled: int
    n_scored: int
    training: float
    inference: float
    selection: float

    @property
    def seconds(self) -> float:
        """All three parts."""
        return self.training + self.inference + self.selection


@dataclass(frozen=True)
class TargetSelection:
    """The seconds of the same selections by the target.

    Attributes:
        n_rounds: that selected with a proxy.
        n_measured: of these, the target was trained on as many labels.
        seconds: of the target; of the others its nearest training, in proportion to the labels.
        proxy_seconds: of the proxy in the same rounds.
        basis: of the estimate.
    """

    n_rounds: int
    n_measured: int
    seconds: float
    proxy_seconds: float
    basis: Basis

    @property
    def times(self) -> float | None:
        """How many times the proxy's seconds the target's are."""
        return self.seconds / self.proxy_seconds if self.proxy_seconds else None


def selection_by_target(
    rounds: Sequence[SelectingRound], timings: Sequence[TargetTiming]
) -> TargetSelection | None:
    """Return what the target would have taken in the proxy's place; None: nothing tells.

    A training takes seconds in proportion to its labels, scoring in proportion to the items.
    """
    if not rounds or not timings:
        return None
    seconds, n_measured = 0.0, 0
    for round_ in rounds:
        nearest = min(timings, key=lambda t: abs(t.n_labeled - round_.n_labeled))
        seconds += nearest.train_seconds * round_.n_labeled / max(1, nearest.n_labeled)
        seconds += nearest.score_seconds * round_.n_scored + round_.selection
        n_measured += abs(nearest.n_labeled - round_.n_labeled) <= SAME * round_.n_labeled
    is_audited = any(timing.basis is Basis.AUDIT for timing in timings)
    return TargetSelection(
        n_rounds=len(rounds),
        n_measured=n_measured,
        seconds=seconds,
        proxy_seconds=sum(round_.seconds for round_ in rounds),
        basis=Basis.AUDIT if is_audited else Basis.TARGET_JOB,
    )
