"""One class of the answers that an item came with."""

from collections import Counter

from app.imports.found import FoundItem


def class_of(item: FoundItem) -> str | None:
    """Return the class that most of the item's labels give; None: without labels, or a tie."""
    counts = Counter(given.class_name for given in item.labels).most_common(2)
    if not counts or (len(counts) > 1 and counts[0][1] == counts[1][1]):
        return None
    return counts[0][0]
