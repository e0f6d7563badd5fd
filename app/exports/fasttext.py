"""fastText's training files: `__label__CLASS text`, a line an item."""

from collections.abc import Iterable, Iterator

from app.exports.labeled import LabeledItem

PREFIX = "__label__"


def write(items: Iterable[LabeledItem]) -> Iterator[bytes]:
    """Yield a line an item; white space in a class becomes an underscore, in a text one blank."""
    for item in items:
        label = "_".join(item.class_name.split())
        yield f"{PREFIX}{label} {' '.join((item.text or '').split())}\n".encode()
