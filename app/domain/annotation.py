"""A project's annotation settings: overlap, consensus, adjudicators, gold."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from app.domain.errors import InvalidProject
from app.domain.json_fields import SettingError, from_json
from app.domain.names import Name

MAX_LABELS_PER_ITEM = 25
SHARE = MappingProxyType({"ge": 0, "le": 1})


class ConsensusMethod(StrEnum):
    """The method that turns several labels of an item into one.

    MAJORITY decides in the last label's own transaction. The others start from that and are
    computed by the worker over all labels before it trains.
    """

    MAJORITY = "majority"
    DAWID_SKENE = "dawid_skene"
    CROWDLAB = "crowdlab"


class GoldAction(StrEnum):
    """The action taken when an annotator's accuracy on gold falls below the threshold.

    FLAG pauses them and flags their labels. REQUEUE also withdraws the labels of items that nobody
    else labeled.
    """

    FLAG = "flag"
    REQUEUE = "requeue"


class FlaggedLabels(StrEnum):
    """Whether flagged labels of annotators who failed on gold count.

    EXCLUDE leaves them out: items that need them are handed out again. KEEP counts them.
    """

    EXCLUDE = "exclude"
    KEEP = "keep"


@dataclass(frozen=True)
class AnnotationOptions:
    """Annotation settings, beside labels_per_item."""

    overlap_fraction: float = field(
        default=1.0,
        metadata={
            **SHARE,
            "description": "Share of the items that get labels_per_item labels; the others get "
            "one.",
        },
    )
    consensus: ConsensusMethod = field(
        default=ConsensusMethod.MAJORITY,
        metadata={
            "description": "majority; dawid_skene and crowdlab resolve again before each training."
        },
    )
    min_agreement: float = field(
        default=0.0,
        metadata={**SHARE, "description": "Share of an item's labels that must agree."},
    )
    max_labels_per_item: int | None = field(
        default=None,
        metadata={
            "ge": 1,
            "le": MAX_LABELS_PER_ITEM,
            "description": "How far ties and low agreement add one more annotator; null: no "
            "further than labels_per_item.",
        },
    )
    adjudicators: tuple[Name, ...] = field(
        default=(),
        metadata={
            "max_length": 100,
            "description": "Annotators who decide what does not agree even then. Without them the "
            "majority stands, and a tie goes to the label given first.",
        },
    )
    gold_fraction: float = field(
        default=0.0,
        metadata={
            "ge": 0,
            "le": 0.5,
            "description": "Share of handed-out items that are gold, expected. Gold costs "
            "annotators' time and brings no label.",
        },
    )
    gold_min_accuracy: float | None = field(
        default=None,
        metadata={
            **SHARE,
            "description": "Share of right gold below which an annotator is paused; null: nobody "
            "is.",
        },
    )
    gold_min_answers: int = field(
        default=5,
        metadata={"ge": 1, "le": 10_000, "description": "Gold answers before that."},
    )
    gold_action: GoldAction = field(
        default=GoldAction.FLAG,
        metadata={
            "description": "flag: the labels of an annotator who failed on gold are flagged; "
            "requeue: and those of items that only they labeled are withdrawn."
        },
    )
    flagged_labels: FlaggedLabels = field(
        default=FlaggedLabels.EXCLUDE,
        metadata={
            "description": "Whether labels flagged for failed gold count. exclude: they do not, "
            "and items that need them are handed out again; keep: they do. A change takes effect "
            "on those flagged already."
        },
    )

    def check(self, labels_per_item: int) -> None:
        """Check that the options fit `labels_per_item`.

        Raises:
            InvalidProject: they do not; says which.
        """
        most = self.max_labels_per_item
        if most is not None and most < labels_per_item:
            raise InvalidProject(
                f"annotation.max_labels_per_item is {most}; make it at least labels_per_item "
                f"({labels_per_item}) and at most {MAX_LABELS_PER_ITEM}."
            )

    def cap(self, labels_wanted: int) -> int:
        """Return how many labels an item may get in all, not counting an adjudicator's.

        Items outside the overlap get their one label.
        """
        if labels_wanted == 1 or self.max_labels_per_item is None:
            return labels_wanted
        return max(labels_wanted, self.max_labels_per_item)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values that `annotation_from_json` reads."""
        return {**asdict(self), "adjudicators": list(self.adjudicators)}


def annotation_from_json(stored: Mapping[str, Any]) -> AnnotationOptions:
    """Return the options of a JSON object; missing ones have their defaults.

    Raises:
        InvalidProject: an option is unknown or not allowed.
    """
    try:
        return from_json(AnnotationOptions, stored)
    except SettingError as error:
        raise InvalidProject(f"annotation: {error}") from None


def labels_wanted(options: AnnotationOptions, labels_per_item: int, seed: int, index: int) -> int:
    """Return how many labels the pool item of this index gets: a function of (seed, index)."""
    if labels_per_item == 1 or options.overlap_fraction >= 1:
        return labels_per_item
    drawn = share_of(seed, "overlap", index)
    return labels_per_item if drawn < options.overlap_fraction else 1


def share_of(*words: object) -> float:
    """Return a number in [0, 1) that looks random and is a function of `words` alone."""
    digest = hashlib.sha256(":".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:7]) / 2**56
