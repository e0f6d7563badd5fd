"""Unpacks single compressed files (gzip, zstd, bzip2, xz) into a temporary one, within bounds."""

import bz2
import gzip
import lzma
import sys
import tempfile
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any, BinaryIO, Protocol, cast

from app.imports.found import FileRefused

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK_BYTES = 1 << 20
OPENERS: dict[bytes, tuple[str, Callable[[BinaryIO], Any]]] = {
    b"\x1f\x8b": ("gzip", partial(gzip.GzipFile, None, "rb", 9)),
    b"\x28\xb5\x2f\xfd": ("zstd", zstd.ZstdFile),
    b"BZh": ("bzip2", bz2.BZ2File),
    b"\xfd7zXZ\0": ("xz", lzma.LZMAFile),
}
FAULTS = (OSError, EOFError, zlib.error, lzma.LZMAError, zstd.ZstdError)


class Expansion(Protocol):
    """Limit on how much more than its size a packed file may unpack to."""

    @property
    def max_expansion(self) -> int: ...
    @property
    def free_bytes(self) -> int: ...


def is_packed(file: BinaryIO) -> bool:
    """Return whether the file begins as one that is compressed."""
    return _opener(file) is not None


def unpacked(
    file: BinaryIO, name: str, max_bytes: int, expansion: Expansion, stack: ExitStack
) -> BinaryIO:
    """Return a temporary file of the content; the stack closes it.

    Raises:
        FileRefused: it is damaged, cut off, or unpacks to too much.
    """
    found = _opener(file)
    assert found is not None  # noqa: S101 - asked before
    kind, open_packed = found
    target = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - entered
    n_bytes = 0
    try:
        with open_packed(file) as source:
            while block := source.read(BLOCK_BYTES):
                n_bytes += len(block)
                allowed = expansion.free_bytes + expansion.max_expansion * file.tell()
                if n_bytes > min(max_bytes, allowed):
                    raise FileRefused(
                        f"{name} unpacks to more than is taken; unpack it yourself and give the "
                        "file or folder."
                    )
                target.write(block)
    except FAULTS as error:
        raise FileRefused(f"{name} is damaged or cut off ({kind}: {error}).") from None
    target.flush()
    target.seek(0)
    return cast("BinaryIO", target)


def _opener(file: BinaryIO) -> tuple[str, Callable[[BinaryIO], Any]] | None:
    file.seek(0)
    head = file.read(6)
    file.seek(0)
    return next((found for magic, found in OPENERS.items() if head.startswith(magic)), None)
