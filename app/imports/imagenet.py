"""ImageNet 1.0 as CVAT writes it: `label/label_file.jpg`, or lists of files and `synsets.txt`."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from app.imports.files import Entry, Files, split_in_name
from app.imports.found import Found, FoundItem, GivenClass, Options, Refused
from app.imports.image_folder import WITHOUT_CLASS

SYNSETS = "synsets.txt"
QUOTED = re.compile(r'"(.*)"(.*)')  # a name with blanks, its suffix behind the quotes


def recognises(files: Files) -> bool:
    """Return whether all images bear their folder's name, or there is a list of classes."""
    if any(PurePosixPath(entry.name).name == SYNSETS for entry in files.others):
        return True
    return bool(files.images) and not files.others and all(map(_is_prefixed, files.images))


def read(files: Files, options: Options) -> Iterator[Found]:
    """Yield an item an image."""
    del options  # the format says all
    synsets = next((e for e in files.others if PurePosixPath(e.name).name == SYNSETS), None)
    if synsets is not None:
        yield from _listed(files, synsets)
        return
    for line, entry in enumerate(files.images, start=1):
        folder = PurePosixPath(entry.name).parts[-2]
        name = PurePosixPath(entry.name).name.removeprefix(f"{folder}_")
        labels = () if folder == WITHOUT_CLASS else (GivenClass(folder),)
        yield FoundItem(line, name, image=entry.read, labels=labels, split=split_in_name(entry))


def _is_prefixed(entry: Entry) -> bool:
    parts = PurePosixPath(entry.name).parts
    return len(parts) > 1 and (parts[-1].startswith(f"{parts[-2]}_") or parts[-2] == WITHOUT_CLASS)


def _listed(files: Files, synsets: Entry) -> Iterator[Found]:
    """Yield the images of each list: a line is a file and the numbers of its classes."""
    names = synsets.read().decode().split()
    for entry in files.others:
        if entry.suffix != ".txt" or entry.name == synsets.name:
            continue
        for number, line in enumerate(entry.read().decode().splitlines(), start=1):
            if line.strip():
                yield _listed_item(number, line.strip(), names, files, entry)


def _listed_item(
    number: int, line: str, names: list[str], files: Files, entry: Entry
) -> FoundItem | Refused:
    words = line.split(" ")
    n_numbers = next((i for i, word in enumerate(reversed(words)) if not word.isdigit()), 0)
    name = QUOTED.sub(r"\1\2", " ".join(words[: len(words) - n_numbers]))
    classes = [int(word) for word in words[len(words) - n_numbers :]]
    places = (name, f"images/{name}", f"{entry.stem}/{name}")
    found = next((f for f in (files.find(place, entry) for place in places) if f), None)
    if found is None:
        return Refused(number, f"{entry.name} names {name[:200]!r}, which is not there.", name)
    if len(classes) > 1 or any(index >= len(names) for index in classes):
        return Refused(number, "An item has one class, and synsets.txt names it.", name)
    labels = tuple(GivenClass(names[index]) for index in classes)
    return FoundItem(number, name, image=found.read, labels=labels, split=split_in_name(entry))
