"""fastText's training files: `__label__CLASS text`, a line an item."""

from collections.abc import Iterator

from app.imports.decoded import is_damaged, open_text
from app.imports.files import Entry, Files, split_in_name
from app.imports.found import Found, FoundItem, GivenClass, Options, Refused

PREFIX = "__label__"
SUFFIXES = (".txt", ".fasttext", ".ft", ".train", ".test", ".valid")


def recognises(files: Files) -> bool:
    """Return whether a line of the first text begins with a label."""
    entries = _entries(files)
    lines = entries[0].head().removeprefix(b"\xef\xbb\xbf").split(b"\n")[:20] if entries else []
    return any(line.startswith(PREFIX.encode()) for line in lines)


def read(files: Files, options: Options) -> Iterator[Found]:
    """Yield an item a line."""
    for entry in _entries(files):
        split = split_in_name(entry)
        with open_text(entry, options.encoding) as file:
            file.reconfigure(newline="\n")
            for number, line in enumerate(file, start=1):
                if line and not line.isspace():
                    yield _item(number, line.lstrip("\ufeff"), entry, split)


def _entries(files: Files) -> list[Entry]:
    found = files.ending(*SUFFIXES)
    return found or (files.others if len(files.others) == 1 and not files.images else [])


def _item(number: int, line: str, entry: Entry, split: str | None) -> FoundItem | Refused:
    if is_damaged(line):
        return Refused(number, "It is not UTF-8; save the file as UTF-8, or name its encoding.")
    words = line.strip().split(" ")
    n_labels = next((i for i, word in enumerate(words) if not word.startswith(PREFIX)), len(words))
    text = " ".join(words[n_labels:]).strip()
    if not text:
        return Refused(number, "It has no text after its label; leave such lines out.")
    if n_labels > 1:
        return Refused(number, f"It has {n_labels} classes; an item has one. Keep the right one.")
    labels = tuple(GivenClass(word.removeprefix(PREFIX)) for word in words[:n_labels])
    return FoundItem(number, f"{entry.stem}-{number}", text, labels=labels, split=split)
