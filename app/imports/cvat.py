"""CVAT for images 1.1: `annotations.xml`, whose tags are the classes, or an XML for each split."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from app.imports.files import Entry, Files, split_in_name
from app.imports.found import FileRefused, Found, FoundItem, GivenClass, Options, Refused, split_of

BLOCK_BYTES = 1 << 18
FOLDERS = ("", "images/")


@dataclass
class TaggedImage:
    """One image element."""

    line: int
    about: dict[str, str]
    tags: list[str] = field(default_factory=list)


def recognises(files: Files) -> bool:
    """Return whether there is an XML of annotations."""
    return bool(_entries(files))


def read(files: Files, options: Options) -> Iterator[Found]:
    """Yield an item an image; shapes are left out."""
    del options  # the format says all
    entries = _entries(files)
    if not entries:
        raise FileRefused("There is no annotations.xml; give CVAT's export as it is.")
    for entry in entries:
        for image in _images(entry):
            yield _item(image, files, entry)


def _entries(files: Files) -> list[Entry]:
    return [
        entry
        for entry in files.others
        if entry.suffix == ".xml" and b"<annotations" in entry.head()
    ]


def _item(image: TaggedImage, files: Files, entry: Entry) -> FoundItem | Refused:
    name = image.about.get("name", "")
    if not name:
        return Refused(image.line, "The image has no name.")
    classes = list(dict.fromkeys(image.tags))
    if len(classes) > 1:
        return Refused(image.line, f"It has {len(classes)} tags; an item has one class.", name)
    subset = image.about.get("subset", "")
    places = [f"{folder}{name}" for folder in (*FOLDERS, f"images/{subset}/", f"{subset}/")]
    found = next((f for f in (files.find(place, entry) for place in places) if f), None)
    return FoundItem(
        image.line,
        name,
        image=found.read if found else None,
        image_uri=None if found else name,
        labels=tuple(GivenClass(label) for label in classes),
        split=split_of(subset) if subset else split_in_name(entry),
    )


def _images(entry: Entry) -> Iterator[TaggedImage]:
    """Yield the image elements as they are read."""
    parser = expat.ParserCreate()
    done: list[TaggedImage] = []
    open_images: list[TaggedImage] = []

    def start(name: str, about: dict[str, str]) -> None:
        if name == "image":
            open_images.append(TaggedImage(parser.CurrentLineNumber, about))
        elif name == "tag" and open_images:
            open_images[-1].tags.append(about.get("label", ""))

    def end(name: str) -> None:
        if name == "image":
            done.append(open_images.pop())

    def refuse(*_: object) -> None:
        raise FileRefused(f"{entry.name} declares entities, which CVAT never does; it is not read.")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.EntityDeclHandler = refuse
    with entry.open() as file:
        while True:
            block = file.read(BLOCK_BYTES)
            try:
                parser.Parse(block, not block)
            except expat.ExpatError as error:
                raise FileRefused(f"{entry.name} is damaged: {error}.") from None
            yield from done
            done.clear()
            if not block:
                return
