"""Folders of images: a folder a class, or flat; `metadata.csv|jsonl` or one table says more."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from app.imports.beside import LabelTable
from app.imports.files import Entry, Files, split_in_name
from app.imports.found import FileRefused, Found, FoundItem, GivenClass, Options, split_of
from app.imports.tables import SUFFIXES

METADATA = "metadata"
WITHOUT_CLASS = "no_label"  # the folder of CVAT and Datumaro for images without a class


def recognises(files: Files) -> bool:
    """Return whether there are images."""
    return bool(files.images)


def read(files: Files, options: Options) -> Iterator[Found]:
    """Yield an item an image, named by its path."""
    tables = _tables(files)
    found: Iterator[Found] = _items(files)
    for entry in tables:
        found = _with_table(found, entry, options)
    yield from found


def class_of(entry: Entry) -> str | None:
    """Return the folder that an image lies in, unless it is only its split's."""
    folders = PurePosixPath(entry.name).parts[:-1]
    return folders[-1] if folders and split_of(folders[-1]) is None else None


def _items(files: Files) -> Iterator[Found]:
    classes = {name for name in map(class_of, files.images) if name}
    has_classes = len(classes) > 1
    for line, entry in enumerate(files.images, start=1):
        name = class_of(entry) if has_classes else None
        labels = () if name in (None, WITHOUT_CLASS) else (GivenClass(name),)
        yield FoundItem(
            line,
            entry.name,
            image=entry.read,
            labels=labels,
            split=split_in_name(entry) if "/" in entry.name else None,
        )


def _with_table(found: Iterator[Found], entry: Entry, options: Options) -> Iterator[Found]:
    return LabelTable(entry, options).applied(found)


def _tables(files: Files) -> list[Entry]:
    """Return the tables about the images.

    Raises:
        FileRefused: several that are not called metadata could be meant.
    """
    tables = [entry for entry in files.others if entry.suffix in SUFFIXES]
    named = [entry for entry in tables if entry.stem == METADATA]
    if named or len(tables) <= 1:
        return named or tables
    raise FileRefused(
        f"Several tables lie beside the images ({', '.join(t.name for t in tables[:5])}); name "
        "the right one with --labels, or call it metadata.csv."
    )
