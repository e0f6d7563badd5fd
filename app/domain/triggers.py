"""Decides when a round ends: with its whole batch, at a share of it, after a time, or by hand."""

import math
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

LONGEST_SECONDS = 10 * 365 * 86_400.0


class EndReason(StrEnum):
    """The reason why a round was completed."""

    BATCH_LABELED = "batch_labeled"
    FRACTION = "fraction"
    TIME = "time"
    BY_HAND = "by_hand"


@dataclass(frozen=True)
class RoundProgress:
    """The progress of a round's labeling.

    Attributes:
        n_labeled: items of its batch that are labeled.
        n_open: items of its batch that want labels.
        n_new_labels: resolved labels that its selection did not know, wherever they come from.
        seconds: since its labeling began.
    """

    n_labeled: int
    n_open: int
    n_new_labels: int
    seconds: float


@dataclass(frozen=True)
class Trigger:
    """Conditions under which the next round begins before the whole batch is labeled."""

    retrain_fraction: float = field(
        default=1.0,
        metadata={
            "ge": 0.01,
            "le": 1,
            "description": "Share of the batch whose labels end the round.",
        },
    )
    retrain_after_seconds: float | None = field(
        default=None,
        metadata={
            "ge": 1,
            "le": LONGEST_SECONDS,
            "description": "The round ends this long after its labeling began; null: never.",
        },
    )
    min_new_labels: int = field(
        default=1,
        metadata={
            "ge": 1,
            "le": 2**40,
            "description": "Labels since the last selection that both must wait for.",
        },
    )

    @property
    def may_end_early(self) -> bool:
        """Whether a round may end while items of its batch are open."""
        return self.retrain_fraction < 1 or self.retrain_after_seconds is not None

    def reason(self, progress: RoundProgress) -> EndReason | None:
        """Return why a round may end before its batch is fully labeled; None if it may not."""
        if progress.n_new_labels < self.min_new_labels:
            return None
        wanted = math.ceil((progress.n_labeled + progress.n_open) * self.retrain_fraction - 1e-9)
        if self.retrain_fraction < 1 and progress.n_labeled >= wanted:
            return EndReason.FRACTION
        after = self.retrain_after_seconds
        return EndReason.TIME if after is not None and progress.seconds >= after else None

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; `from_json` reads them back."""
        return asdict(self)
