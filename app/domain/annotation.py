"""A project's annotation settings: overlap, consensus, adjudicators, gold."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from app.domain.errors import InvalidProject

MAX_LABELS_PER_ITEM = 25
MAX_GOLD_FRACTION = 0.5


class ConsensusMethod(StrEnum):
    """How several labels of an item become one.

    MAJORITY decides in the last label's own transaction. The others start from that and are
    computed by the worker over all labels before it trains.
    """

    MAJORITY = "majority"
    DAWID_SKENE = "dawid_skene"
    CROWDLAB = "crowdlab"


class GoldAction(StrEnum):
    """The action taken when an annotator's accuracy on gold falls below the threshold.

    FLAG pauses them and flags their labels, which count no more: items that need them are handed
    out again. REQUEUE also withdraws the labels of items that nobody else labeled. KEEP flags
    labels, which count all the same.
    """

    FLAG = "flag"
    KEEP = "keep"
    REQUEUE = "requeue"


@dataclass(frozen=True)
class AnnotationOptions:
    """Annotation settings beside `labels_per_item`.

    Attributes:
        overlap_fraction: share of the items that get `labels_per_item` labels; the others get one.
        consensus: how several labels become one.
        min_agreement: share of an item's labels that must agree.
        max_labels_per_item: how far a tie or too low an agreement adds one more annotator; None:
            no further than `labels_per_item`.
        adjudicators: names of who decides items that still do not agree then; without them the
            majority stands, a tie goes to the label given first.
        gold_fraction: share of handed-out items that are gold, expected.
        gold_min_accuracy: share of gold below which an annotator is paused; None: never.
        gold_min_answers: gold answers before that is looked at.
        gold_action: what becomes of a paused annotator's labels.
    """

    overlap_fraction: float = 1.0
    consensus: ConsensusMethod = ConsensusMethod.MAJORITY
    min_agreement: float = 0.0
    max_labels_per_item: int | None = None
    adjudicators: tuple[str, ...] = ()
    gold_fraction: float = 0.0
    gold_min_accuracy: float | None = None
    gold_min_answers: int = 5
    gold_action: GoldAction = GoldAction.FLAG

    def check(self, labels_per_item: int) -> None:
        """Check that the options fit each other and `labels_per_item`.

        Raises:
            InvalidProject: they do not; says which.
        """
        most = self.max_labels_per_item
        if not 1 <= labels_per_item <= MAX_LABELS_PER_ITEM:
            raise InvalidProject(f"labels_per_item must be 1 to {MAX_LABELS_PER_ITEM}.")
        if most is not None and not labels_per_item <= most <= MAX_LABELS_PER_ITEM:
            raise InvalidProject(
                f"annotation.max_labels_per_item is {most}; make it at least labels_per_item "
                f"({labels_per_item}) and at most {MAX_LABELS_PER_ITEM}."
            )
        for name in ("overlap_fraction", "min_agreement", "gold_min_accuracy"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise InvalidProject(f"annotation.{name} is {value}; it is a share, 0 to 1.")
        if not 0 <= self.gold_fraction <= MAX_GOLD_FRACTION:
            raise InvalidProject(
                f"annotation.gold_fraction is {self.gold_fraction}; make it 0 to "
                f"{MAX_GOLD_FRACTION}: gold costs annotators' time and brings no label."
            )
        if self.gold_min_answers < 1:
            raise InvalidProject("annotation.gold_min_answers must be at least 1.")

    def cap(self, labels_wanted: int) -> int:
        """Return how many labels an item may get in all, an adjudicator's apart.

        Items outside the overlap get their one label.
        """
        if labels_wanted == 1 or self.max_labels_per_item is None:
            return labels_wanted
        return max(labels_wanted, self.max_labels_per_item)

    def to_json(self) -> dict[str, Any]:
        """Return what `annotation_from_json` reads."""
        return {**asdict(self), "adjudicators": list(self.adjudicators)}


def annotation_from_json(stored: Mapping[str, Any]) -> AnnotationOptions:
    """Return the options of a JSON object; what it lacks has its default.

    Raises:
        InvalidProject: an unknown option, consensus method or action.
    """
    known = {field.name for field in fields(AnnotationOptions)}
    if unknown := sorted(set(stored) - known):
        raise InvalidProject(
            f"annotation: there is no option {', '.join(unknown)}; known are "
            f"{', '.join(sorted(known))}."
        )
    given = dict(stored)
    for name, choices in (("consensus", ConsensusMethod), ("gold_action", GoldAction)):
        if name not in given:
            continue
        if given[name] not in list(choices):
            raise InvalidProject(
                f"annotation.{name}: there is no {given[name]!r}; use one of {', '.join(choices)}."
            )
        given[name] = choices(given[name])
    given["adjudicators"] = tuple(given.get("adjudicators", ()))
    return AnnotationOptions(**given)


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
