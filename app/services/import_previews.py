"""A first look at stored files, before a project is made of them."""

import base64
import io
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from PIL import Image

from app.config import Settings
from app.imports.columns import find_columns
from app.imports.files import Limits
from app.imports.formats import Source, open_source
from app.imports.found import FileRefused, Found, FoundItem, Options, Refused
from app.imports.survey import Survey
from app.imports.tables import SUFFIXES, rows_of
from app.storage.artifacts import ArtifactStore

SHOWN_ITEMS = 8
SHOWN_WITH_CLASS = 4  # at least, where so many have one
MOST_ITEMS = 200_000  # more are not counted, so that a preview comes soon
MOST_SECONDS = 8.0
MOST_IMAGE_BYTES = 20 << 20
MOST_PIXELS = 30_000_000
THUMBNAIL_SIDE = 96
TABLES = frozenset({"csv", "json", "parquet"})


@dataclass(frozen=True)
class StoredFile:
    """A file that was sent: its name and the hash of its content in the store."""

    name: str
    content_hash: str


@dataclass
class Preview:
    """What files hold.

    Attributes:
        survey: counts of all that was looked at.
        items: the first ones, and some with a class; with small pictures of those that are images.
        columns: column of a table -> the field that it is taken for, None: metadata.
        formats: titles of the formats.
        is_partial: whether there is more than was looked at.
        fault: why a file cannot be read as it is.
    """

    survey: Survey = field(default_factory=Survey)
    items: list[FoundItem] = field(default_factory=list)
    thumbnails: list[str | None] = field(default_factory=list)
    columns: dict[str, str | None] = field(default_factory=dict)
    formats: list[str] = field(default_factory=list)
    is_partial: bool = False
    fault: str | None = None


def preview_files(
    files: Sequence[StoredFile],
    columns: Mapping[str, str],
    store: ArtifactStore,
    settings: Settings,
) -> Preview:
    """Return what the files hold, with these columns taken for these fields.

    A file that cannot be read is the preview's fault, not an error: other columns may help.

    Raises:
        ArtifactMissing: a file is not in the store.
    """
    found = Preview()
    until = time.monotonic() + MOST_SECONDS
    limits = Limits(
        max_bytes=settings.max_body_bytes * settings.max_expansion,
        max_expansion=settings.max_expansion,
    )
    for file in files:
        with _on_disk(file, store, settings) as path:
            try:
                with open_source(path, None, limits) as source:
                    _look_at(source, columns, found, until)
            except FileRefused as error:
                found.fault = found.fault or str(error)
    return found


@contextmanager
def _on_disk(file: StoredFile, store: ArtifactStore, settings: Settings) -> Iterator[Path]:
    settings.uploads_folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=settings.uploads_folder) as folder:
        path = Path(folder) / (PurePosixPath(file.name).name or "import")
        with path.open("wb") as copy:
            copy.writelines(store.stream(file.content_hash))
        yield path


def _look_at(source: Source, columns: Mapping[str, str], found: Preview, until: float) -> None:
    if source.format.title not in found.formats:
        found.formats.append(source.format.title)
    known = _columns_of(source)
    options = Options({name: kind for name, kind in columns.items() if name in known})
    found.columns.update(dict.fromkeys(known))
    if known:
        try:
            roles = find_columns(known, options, where=source.files.entries[0].name)
            found.columns.update({c: kind for kind, cs in roles.by_field.items() for c in cs})
        finally:
            found.columns.update(options.columns)
    found.survey.add(_noted(source.read(options), found, until))


def _columns_of(source: Source) -> list[str]:
    """Return the columns of a table; of other formats none."""
    entries = [entry for entry in source.files.entries if entry.suffix in SUFFIXES]
    if source.format.name not in TABLES or not entries:
        return []
    rows = (row for row in rows_of(entries[0], Options()) if not isinstance(row, Refused))
    first = next(rows, None)
    return [] if first is None else [str(name) for name in first[1]]


def _noted(read: Iterable[Found], found: Preview, until: float) -> Iterator[Found]:
    """Yield what is read, up to a number and a time; keep some items."""
    for n, each in enumerate(islice(read, MOST_ITEMS + 1)):
        if n == MOST_ITEMS or (n % 1000 == 999 and time.monotonic() > until):
            found.is_partial = True
            return
        if isinstance(each, FoundItem):
            _keep(found, each)
        yield each


def _keep(found: Preview, item: FoundItem) -> None:
    """Keep an item if it is one of the first, or in place of the last of them without a class."""
    if len(found.items) == SHOWN_ITEMS:
        without = [row for row, kept in enumerate(found.items) if not kept.labels]
        if not item.labels or len(without) <= SHOWN_ITEMS - SHOWN_WITH_CLASS:
            return
        del found.items[without[-1]], found.thumbnails[without[-1]]
    found.items.append(item)
    found.thumbnails.append(_thumbnail(item))


def _thumbnail(item: FoundItem) -> str | None:
    """Return a small picture of the item as a data URL; None: it has none that can be read."""
    if item.image is None:
        return None
    try:
        data = item.image()
        if len(data) > MOST_IMAGE_BYTES:
            return None
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            small = image.convert("RGB")
            small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    file = io.BytesIO()
    small.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
