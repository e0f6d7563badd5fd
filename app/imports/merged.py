"""Puts together the answers of several annotators to one item."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from app.imports.found import Found, FoundItem


def merged_neighbours(found: Iterable[Found]) -> Iterator[Found]:
    """Yield items that follow each other with one external id as one, with all their labels."""
    last: FoundItem | None = None
    for each in found:
        if last is not None and isinstance(each, FoundItem) and is_same(last, each):
            last = merged(last, each)
            continue
        if last is not None:
            yield last
            last = None
        if isinstance(each, FoundItem) and each.image is None:
            last = each  # an image is read before the next item: it cannot wait
        else:
            yield each
    if last is not None:
        yield last


def merged_all(found: Iterable[Found]) -> Iterator[Found]:
    """Yield items of one external id as one, wherever they stand; all are held in memory."""
    items: dict[str, FoundItem] = {}
    for each in found:
        if not isinstance(each, FoundItem):
            yield each
        elif each.external_id in items:
            items[each.external_id] = merged(items[each.external_id], each)
        else:
            items[each.external_id] = each
    yield from items.values()


def is_same(one: FoundItem, other: FoundItem) -> bool:
    """Return whether both are of one item."""
    return (one.external_id, one.text, one.image_uri) == (
        other.external_id,
        other.text,
        other.image_uri,
    )


def merged(one: FoundItem, other: FoundItem) -> FoundItem:
    """Return one item with the labels of both: of an annotator who answered twice, the last."""
    labels = {label.annotator or label: label for label in (*one.labels, *other.labels)}
    return replace(one, labels=tuple(labels.values()), n_skips=one.n_skips + other.n_skips)
