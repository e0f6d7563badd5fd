"""Consensus: turns one item's labels into its resolved label, or says what is still wanted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Decision:
    """The decision on one item's labels.

    Attributes:
        class_index: the resolved class; None while labels are missing.
        agreement: share of the labels that are of the most frequent class; 0 without labels.
        n_more: labels of annotators that are still wanted.
        wants_adjudicator: whether an adjudicator must decide.
    """

    class_index: int | None
    agreement: float
    n_more: int = 0
    wants_adjudicator: bool = False


def majority(classes: Sequence[int]) -> int | None:
    """Return the most frequent class index; None: there are none, or several."""
    counts = Counter(classes).most_common(2)
    if not counts or (len(counts) == 2 and counts[0][1] == counts[1][1]):
        return None
    return counts[0][0]


def resolve(classes: Sequence[int], labels_per_item: int) -> int | None:
    """Return the resolved class index, or None while labels are missing.

    Args:
        classes: class indices in the order in which the labels were given.
        labels_per_item: labels wanted per item.

    The majority wins; a tie goes to the tied class that was given first, so that the result does
    not depend on the order of class indices.
    """
    if len(classes) < labels_per_item:
        return None
    counts = Counter(classes)
    most = max(counts.values())
    return next(c for c in classes if counts[c] == most)


def decide(  # noqa: PLR0913 - the annotation's bounds, by name
    classes: Sequence[int],
    n_wanted: int,
    n_most: int,
    min_agreement: float,
    *,
    may_adjudicate: bool,
    adjudicated: int | None = None,
) -> Decision:
    """Decide an item's labels: a class, one more annotator, or an adjudicator.

    Args:
        classes: class indices in the order in which the labels were given, an adjudicator's apart.
        n_wanted: labels that the item gets in any case.
        n_most: labels that it may get; at least `n_wanted`.
        min_agreement: share of the labels that must agree. A tie never does.
        may_adjudicate: whether there is an adjudicator who has not labeled the item.
        adjudicated: class index that an adjudicator gave; it stands, whatever the others said.
    """
    counts = Counter(classes).most_common(2)
    agreement = counts[0][1] / len(classes) if counts else 0.0
    if adjudicated is not None:
        return Decision(adjudicated, agreement)
    if len(classes) < n_wanted:
        return Decision(None, agreement, n_more=n_wanted - len(classes))
    is_tie = len(counts) == 2 and counts[0][1] == counts[1][1]
    if is_tie or agreement < min_agreement:
        if len(classes) < n_most:
            return Decision(None, agreement, n_more=1)
        if may_adjudicate:
            return Decision(None, agreement, wants_adjudicator=True)
    return Decision(resolve(classes, n_wanted), agreement)
