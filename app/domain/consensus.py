"""Consensus: from the labels of one item to its resolved label."""

from collections import Counter
from collections.abc import Sequence


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
