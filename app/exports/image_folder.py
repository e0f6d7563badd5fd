"""A zip of images, a folder a class, as torchvision and Hugging Face's `datasets` read it."""

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from app.exports.labeled import LabeledItem, safe_name

BLOCK = 1 << 20


class ZipBuffer:
    """A file that zipfile writes into; it is emptied as it fills."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        """Take the bytes; return how many."""
        self.data += data
        return len(data)

    def flush(self) -> None:
        """Do nothing."""

    def take(self) -> bytes:
        """Return what was written since the last call."""
        taken = bytes(self.data)
        self.data.clear()
        return taken


def write(items: Iterable[LabeledItem]) -> Iterator[bytes]:
    """Yield the archive, one image in memory at a time; names that come twice get a number.

    `missing.txt` lists the items whose image is gone.
    """
    buffer, names, missing = ZipBuffer(), set[str](), list[str]()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        for item in items:
            data = item.image() if item.image is not None else None
            if data is None:
                missing.append(item.external_id)
                continue
            name = _unused(f"{safe_name(item.class_name)}/{safe_name(item.external_id)}", names)
            archive.writestr(name, data)
            if len(buffer.data) > BLOCK:
                yield buffer.take()
        if missing:
            archive.writestr("missing.txt", "\n".join(missing) + "\n")
    yield buffer.take()


def _unused(name: str, names: set[str]) -> str:
    """Return the name, numbered where it was used, in whatever case; remember it."""
    path, number, found = PurePosixPath(name), 1, name
    while found.lower() in names:
        number += 1
        found = str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
    names.add(found.lower())
    return found
