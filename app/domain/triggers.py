"""When a round ends: with its whole batch, at a share of it, after a time, or by hand."""

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from app.domain.json_fields import check_number

LONGEST_SECONDS = 10 * 365 * 86_400.0
MOST_LABELS = 2**40


class EndReason(StrEnum):
    """Why a round was completed."""

    BATCH_LABELED = "batch_labeled"
    FRACTION = "fraction"
    TIME = "time"
    BY_HAND = "by_hand"


@dataclass(frozen=True)
class RoundProgress:
    """How far a round's labeling is.

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
    """When the next round begins before the whole batch is labeled.

    Attributes:
        retrain_fraction: share of the batch in (0, 1] whose labels end the round.
        retrain_after_seconds: the round ends this long after its labeling began; None = never.
        min_new_labels: labels that the round's selection did not know which both must wait for.
    """

    retrain_fraction: float = 1.0
    retrain_after_seconds: float | None = None
    min_new_labels: int = 1

    def __post_init__(self) -> None:
        """JSON may hold anything.

        Raises:
            SettingError: a value is not allowed.
        """
        check_number("retrain_fraction", self.retrain_fraction, 0.01, 1)
        if self.retrain_after_seconds is not None:
            check_number("retrain_after_seconds", self.retrain_after_seconds, 1, LONGEST_SECONDS)
        check_number("min_new_labels", self.min_new_labels, 1, MOST_LABELS, whole=True)

    @property
    def may_end_early(self) -> bool:
        """Whether a round may end while items of its batch are open."""
        return self.retrain_fraction < 1 or self.retrain_after_seconds is not None

    def reason(self, progress: RoundProgress) -> EndReason | None:
        """Return why a round whose batch is not labeled to its end may end now, if it may."""
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
