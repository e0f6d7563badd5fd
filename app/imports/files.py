"""Opens what a user names: a folder, a file, or an archive that is read where it lies.

Archives are bounded: by entries, by bytes, and by how much they unpack to. Links, names that lead
out of the archive and encrypted entries are refused one by one.
"""

import io
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from app.imports.found import FileRefused, Refused, split_of
from app.imports.packed import is_packed, unpacked
from app.imports.windows import open_window

HEAD_BYTES = 1 << 16
TAR_MAGIC_AT = 257
IMAGE_SUFFIXES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".bmp",
        ".gif",
        ".tif",
        ".tiff",
        ".avif",
        ".heic",
        ".heif",
        ".jp2",
        ".ppm",
        ".pgm",
    ]
)
IGNORED = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Limits:
    """Limits on an archive's contents."""

    max_entries: int = 5_000_000
    max_bytes: int = 1 << 42
    max_expansion: int = 200
    free_bytes: int = 1 << 26  # may be unpacked, whatever the packed size


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a folder or an archive; its name is the path there, with slashes."""

    name: str
    size: int
    open: Callable[[], BinaryIO]

    @property
    def suffix(self) -> str:
        """The suffix, in small letters."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    def stem(self) -> str:
        """The file's name without folders and suffix."""
        return PurePosixPath(self.name).stem

    @property
    def is_image(self) -> bool:
        """Whether the name is that of an image."""
        return self.suffix in IMAGE_SUFFIXES

    def read(self) -> bytes:
        """Return the whole content.

        Raises:
            FileRefused: it is damaged.
        """
        with self.open() as file:
            try:
                return file.read()
            except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
                raise FileRefused(f"{self.name} is damaged: {error}.") from None

    def head(self) -> bytes:
        """Return the first bytes; none of a file that cannot be read."""
        try:
            with self.open() as file:
                return file.read(HEAD_BYTES)
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError):
            return b""


@dataclass(frozen=True)
class Files:
    """The files of one source, by name.

    Attributes:
        entries: in order of their names.
        is_tar: they lie in a tar.
        refused: entries that are not read.
        folder: where images that a lone file names lie; None: nowhere.
    """

    entries: list[Entry]
    is_tar: bool = False
    refused: list[Refused] = field(default_factory=list)
    folder: Path | None = None

    @cached_property
    def by_name(self) -> dict[str, Entry]:
        """Entry by name."""
        return {entry.name: entry for entry in self.entries}

    @cached_property
    def images(self) -> list[Entry]:
        """The entries that are images by their names."""
        return [entry for entry in self.entries if entry.is_image]

    @cached_property
    def others(self) -> list[Entry]:
        """The entries that are no images; what describes the data set is not read."""
        return [
            entry
            for entry in self.entries
            if not entry.is_image and entry.stem.lower() not in ("readme", "license", "licence")
        ]

    def ending(self, *suffixes: str) -> list[Entry]:
        """Return the entries with one of these suffixes, if all but images have one; else none."""
        found = [entry for entry in self.others if entry.suffix in suffixes]
        return found if len(found) == len(self.others) else []

    def find(self, name: str, beside: Entry | None = None) -> Entry | None:
        """Return the file that an entry means by a path, or None."""
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            return None
        here = PurePosixPath(beside.name).parent if beside else PurePosixPath()
        found = self.by_name.get(str(here / path)) or self.by_name.get(str(path))
        if found is None and self.folder is not None:
            found = _local(self.folder, str(path))
        return found


def split_in_name(entry: Entry) -> str | None:
    """Return the split that a file's folders or the start of its name say, as train-1.parquet."""
    parts = PurePosixPath(entry.name).parts
    named = [split_of(part) for part in parts[:-1]]
    stem = entry.stem.replace("_", "-").replace(".", "-").partition("-")[0]
    return next((name for name in (*named, split_of(stem)) if name), None)


@contextmanager
def open_files(
    path: Path, limits: Limits | None = None, *, sees_neighbours: bool = False
) -> Iterator[Files]:
    """Yield the files of a folder, a file, or a zip, tar, gzip or zstd of them.

    Args:
        path: of the folder or file.
        limits: of archives.
        sees_neighbours: whether a lone file may name images that lie beside it.

    Raises:
        FileRefused: it does not exist, is damaged, or holds too much.
    """
    bounds = limits or Limits()
    if not path.exists():
        raise FileRefused(f"There is no file or folder {path}.")
    if path.is_dir():
        yield Files(list(_of_folder(path, bounds)))
        return
    with ExitStack() as stack:
        file: BinaryIO = stack.enter_context(path.open("rb"))
        name = path.name
        if is_packed(file):
            file, name = unpacked(file, name, bounds.max_bytes, bounds, stack), _without_last(name)
        try:
            if zipfile.is_zipfile(file):
                archive = stack.enter_context(zipfile.ZipFile(file))
                yield _without_wrapper(_of_zip(archive, bounds))
                return
            if _is_tar(file):
                yield _without_wrapper(_of_tar(file, bounds))
                return
        except (zipfile.BadZipFile, tarfile.TarError) as error:
            raise FileRefused(f"{path.name} is a damaged archive: {error}.") from None
        size = os.fstat(file.fileno()).st_size
        entry = Entry(name, size, lambda: open_window(file.fileno(), 0, size))
        yield Files([entry], folder=path.parent if sees_neighbours else None)


def _of_folder(folder: Path, limits: Limits) -> Iterator[Entry]:
    paths = []
    for path in folder.rglob("*"):
        if _is_wanted(path.relative_to(folder).as_posix()) and path.is_file():
            paths.append(path)
        if len(paths) > limits.max_entries:
            raise _too_many(limits)
    for path in sorted(paths, key=lambda found: found.relative_to(folder).as_posix()):
        yield _entry_of(path, path.relative_to(folder).as_posix())


def _local(folder: Path, name: str) -> Entry | None:
    path = folder / name
    return _entry_of(path, name) if path.is_file() else None


def _entry_of(path: Path, name: str) -> Entry:
    return Entry(name, path.stat().st_size, lambda: path.open("rb"))


def _of_zip(archive: zipfile.ZipFile, limits: Limits) -> Files:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > limits.max_entries:
        raise _too_many(limits)
    unpacks_to = sum(info.file_size for info in infos)
    packed = sum(info.compress_size for info in infos)
    if (
        unpacks_to > limits.max_bytes
        or unpacks_to > limits.free_bytes + limits.max_expansion * packed
    ):
        raise FileRefused(
            f"The archive claims to unpack from {packed} to {unpacks_to} bytes; that is more than "
            "is taken. Unpack it yourself and give the folder."
        )
    entries, refused = [], []
    for place, info in enumerate(infos, start=1):
        kind = stat.S_IFMT(info.external_attr >> 16)
        fault = _fault_of_name(info.filename)
        if kind == stat.S_IFLNK:
            fault = "It is a link; pack the file itself."
        elif info.flag_bits & 1:
            fault = "It is encrypted; unpack the archive yourself and give the folder."
        if fault:
            refused.append(Refused(place, f"{info.filename[:200]}: {fault}"))
        elif _is_wanted(info.filename):
            entries.append(Entry(info.filename, info.file_size, _zip_opener(archive, info)))
    return Files(sorted(entries, key=lambda entry: entry.name), refused=refused)


def _zip_opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    return lambda: cast("BinaryIO", io.BufferedReader(archive.open(info)))


def _of_tar(file: BinaryIO, limits: Limits) -> Files:
    """Return the entries of a tar, each a part of its file."""
    file.seek(0)
    entries, refused = [], []
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for place, member in enumerate(archive, start=1):
            if place > limits.max_entries:
                raise _too_many(limits)
            if member.isdir():
                continue
            fault = _fault_of_name(member.name)
            if not member.isreg() or member.issparse():
                fault = "It is a link or a special file; pack the file itself."
            if fault:
                refused.append(Refused(place, f"{member.name[:200]}: {fault}"))
            elif _is_wanted(member.name):
                name = str(PurePosixPath(member.name))
                opener = _window_opener(file.fileno(), member.offset_data, member.size)
                entries.append(Entry(name, member.size, opener))
    return Files(sorted(entries, key=lambda entry: entry.name), is_tar=True, refused=refused)


def _window_opener(number: int, start: int, size: int) -> Callable[[], BinaryIO]:
    return lambda: open_window(number, start, size)


def _without_wrapper(files: Files) -> Files:
    """Return the files without the one folder that all of them lie in, unless it names a split."""
    tops = {PurePosixPath(entry.name).parts[0] for entry in files.entries}
    is_wrapped = len(tops) == 1 and all("/" in entry.name for entry in files.entries)
    if not is_wrapped or split_of(next(iter(tops))):
        return files
    length = len(tops.pop()) + 1
    entries = [Entry(entry.name[length:], entry.size, entry.open) for entry in files.entries]
    return _without_wrapper(Files(entries, files.is_tar, files.refused))


def _is_wanted(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return not any(part.startswith(".") or part.lower() in IGNORED for part in parts)


def _fault_of_name(name: str) -> str | None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        return "Its name leads out of the archive; pack it under another one."
    return None


def _is_tar(file: BinaryIO) -> bool:
    file.seek(TAR_MAGIC_AT)
    return file.read(5) == b"ustar"


def _without_last(name: str) -> str:
    return f"{name[:-4]}.tar" if name.lower().endswith(".tgz") else PurePosixPath(name).stem


def _too_many(limits: Limits) -> FileRefused:
    return FileRefused(f"It holds more than {limits.max_entries} files; import it in parts.")
