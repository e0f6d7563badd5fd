"""The answers that an item came with: by annotator, or as one class."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from app.imports.found import Found, FoundItem, GivenClass

UNKNOWN = "unknown"  # who gave an answer without a name, where others have one


def with_names(found: Found, names: Mapping[str, str]) -> Found:
    """Return what was found with its annotators by these names, those that are given another."""
    if not names or not isinstance(found, FoundItem):
        return found
    labels = {}
    for given in found.labels:
        name = given.annotator if given.annotator is None else names.get(given.annotator)
        named = given if name is None else GivenClass(given.class_name, name)
        labels[named.annotator or named] = named  # of two who are one here, the last
    return replace(found, labels=tuple(labels.values()))


def class_of(item: FoundItem) -> str | None:
    """Return the class that most of the item's labels give; None: without labels, or a tie."""
    counts = Counter(given.class_name for given in item.labels).most_common(2)
    if not counts or (len(counts) > 1 and counts[0][1] == counts[1][1]):
        return None
    return counts[0][0]


def answers_of(item: FoundItem) -> list[tuple[str, str]]:
    """Return (annotator, class) of each answer; none: the file names no annotator of the item."""
    if all(given.annotator is None for given in item.labels):
        return []
    return [
        (UNKNOWN if given.annotator is None else given.annotator, given.class_name)
        for given in item.labels
    ]


def plain_class_of(item: FoundItem) -> str | None:
    """Return the class of an item that names no annotator; None: none, or its answers give it."""
    return None if answers_of(item) else class_of(item)
