"""Parts of an open file as files of their own, each with its own place."""

import io
import os
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Window(io.RawIOBase):
    """Bytes start..start + size of a file; the file stays open when it is closed."""

    def __init__(self, number: int, start: int, size: int) -> None:
        super().__init__()
        self._number, self._start, self._size, self._place = number, start, size, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill the buffer; return the number of bytes."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(0, self._size - self._place))
        data = os.pread(self._number, wanted, self._start + self._place)
        view[: len(data)] = data
        self._place += len(data)
        return len(data)


def open_window(number: int, start: int, size: int) -> BinaryIO:
    """Return a part of the file of this descriptor, opened for reading."""
    return cast("BinaryIO", io.BufferedReader(Window(number, start, size), 1 << 17))
