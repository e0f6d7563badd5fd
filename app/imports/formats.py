"""The formats that are read, in the order in which they are told apart."""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.imports import (
    argilla,
    csv_rows,
    cvat,
    doccano,
    fasttext,
    image_folder,
    imagenet,
    json_rows,
    label_studio,
    parquet,
    prodigy,
    webdataset,
)
from app.imports.files import Files, Limits, open_files
from app.imports.found import FileRefused, Found, Options
from app.imports.given import with_names


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: as `--format` takes it.
        title: for people.
        recognises: tells by names and first bytes; of several formats the first is right.
        read: yields the items and what is refused, in the files' order.
    """

    name: str
    title: str
    recognises: Callable[[Files], bool]
    read: Callable[[Files, Options], Iterator[Found]]


FORMATS = (
    Format("cvat", "CVAT for images 1.1", cvat.recognises, cvat.read),
    Format("label-studio", "Label Studio JSON, JSON-MIN, CSV", label_studio.recognises,
           label_studio.read),
    Format("argilla", "Argilla 2 records", argilla.recognises, argilla.read),
    Format("prodigy", "Prodigy JSONL", prodigy.recognises, prodigy.read),
    Format("doccano", "doccano JSONL", doccano.recognises, doccano.read),
    Format("parquet", "Parquet", parquet.recognises, parquet.read),
    Format("webdataset", "WebDataset tar", webdataset.recognises, webdataset.read),
    Format("imagenet", "ImageNet 1.0 of CVAT", imagenet.recognises, imagenet.read),
    Format("images", "folder of images", image_folder.recognises, image_folder.read),
    Format("json", "JSON Lines or JSON array", json_rows.recognises, json_rows.read),
    Format("fasttext", "fastText", fasttext.recognises, fasttext.read),
    Format("csv", "CSV or TSV", csv_rows.recognises, csv_rows.read),
)  # fmt: skip
DAMAGE = (OSError, EOFError, zlib.error, zipfile.BadZipFile)
NAMES = tuple(sorted(each.name for each in FORMATS))


@dataclass(frozen=True)
class Source:
    """Open files and their format."""

    files: Files
    format: Format

    def read(self, options: Options | None = None) -> Iterator[Found]:
        """Yield the items, and what is refused; may be read again.

        Raises:
            FileRefused: nothing after the last item can be read.
        """
        said = options or Options()
        yield from self.files.refused
        try:
            for found in self.format.read(self.files, said):
                yield with_names(found, said.annotators)
        except UnicodeError as error:
            raise FileRefused(
                f"The text cannot be decoded ({error}); name its encoding, e.g. --encoding cp1252."
            ) from None
        except DAMAGE as error:
            raise FileRefused(f"The file is damaged or cut off: {error}.") from None


@contextmanager
def open_source(
    path: Path,
    name: str | None = None,
    limits: Limits | None = None,
    *,
    sees_neighbours: bool = False,
) -> Iterator[Source]:
    """Yield what a path holds.

    Args:
        path: a folder, a file or an archive.
        name: of the format; None: found out.
        limits: of archives.
        sees_neighbours: whether a lone file may name images that lie beside it.

    Raises:
        FileRefused: it cannot be read, or its format is none of these.
    """
    with open_files(path, limits, sees_neighbours=sees_neighbours) as files:
        yield Source(files, _named(name) if name else detect(files, path.name))


def detect(files: Files, where: str) -> Format:
    """Return the format of the files.

    Raises:
        FileRefused: it is none of these.
    """
    if not files.entries:
        raise FileRefused(f"{where} holds no file to read.")
    for each in FORMATS:
        if each.recognises(files):
            return each
    raise FileRefused(
        f"The format of {where} is none that is known: "
        f"{', '.join(each.title for each in FORMATS)}. Name it with --format "
        f"({', '.join(NAMES)}), or convert it to CSV."
    )


def _named(name: str) -> Format:
    found = next((each for each in FORMATS if each.name == name), None)
    if found is None:
        raise FileRefused(f"There is no format {name!r}; use one of {', '.join(NAMES)}.")
    return found
