"""Unpacks request bodies with a Content-Encoding, one bounded step at a time."""

import sys
import zlib
from abc import ABC, abstractmethod
from collections import deque

from app.domain.errors import BodyInvalid

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError
else:
    from backports.zstd import ZstdDecompressor, ZstdError

GZIP_WINDOW = 16 + zlib.MAX_WBITS
GZIP_MAGIC = b"\x1f\x8b"
# What is left of a piece is copied at the end of each member: small pieces keep that cheap.
PIECE_BYTES = 16 * 1024


class Unpacker(ABC):
    """Unpacks consecutive members (gzip) or frames (zstd) until the body ends."""

    name: str

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._piece = b""
        self._is_inside = False  # a member has begun and not ended
        self._may_hold = False  # the last step was full: the library may hold more

    def feed(self, data: bytes) -> None:
        """Take packed bytes."""
        self._pieces.extend(
            data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES)
        )

    def read(self, size: int) -> bytes:
        """Return up to `size` unpacked bytes; none: feed more.

        Raises:
            BodyInvalid: the bytes are damaged, or something else follows a member.
        """
        while self._piece or self._pieces or self._may_hold:
            if self._pieces and len(self._piece) < len(GZIP_MAGIC):
                self._piece += self._pieces.popleft()
            if not self._is_inside and not self._begins():
                return b""
            unpacked = self._step(size)
            self._may_hold = self._is_inside and len(unpacked) == size
            if unpacked:
                return unpacked
        return b""

    def finish(self) -> None:
        """Check that the body ended where a member ends.

        Raises:
            BodyInvalid: it is truncated.
        """
        if self._is_inside or self._piece:
            raise BodyInvalid(f"The {self.name} stream is truncated.")

    def _begins(self) -> bool:
        """Begin a member if one follows; False where more bytes are needed to tell."""
        self._begin()
        self._is_inside = True
        return True

    @abstractmethod
    def _begin(self) -> None: ...

    @abstractmethod
    def _step(self, size: int) -> bytes:
        """Unpack up to `size` bytes of the piece; keep what is left of it."""


class GzipUnpacker(Unpacker):
    """Unpacks gzip; zeros may follow a member, as tapes pad them."""

    name = "gzip"

    def __init__(self) -> None:
        super().__init__()
        self._n_members = 0

    def _begins(self) -> bool:
        if self._n_members:
            self._piece = self._piece.lstrip(b"\0")
        if len(self._piece) < len(GZIP_MAGIC):
            return False
        if not self._piece.startswith(GZIP_MAGIC):
            where = f"After {self._n_members} gzip members the body" if self._n_members else "It"
            raise BodyInvalid(f"{where} is followed by something that is not gzip.")
        return super()._begins()

    def _begin(self) -> None:
        self._member = zlib.decompressobj(GZIP_WINDOW)

    def _step(self, size: int) -> bytes:
        try:
            unpacked = self._member.decompress(self._piece, size)
        except zlib.error as error:
            raise BodyInvalid(f"The gzip stream is damaged ({error}).") from None
        if self._member.eof:
            self._piece, self._is_inside = self._member.unused_data, False
            self._n_members += 1
        else:
            self._piece = self._member.unconsumed_tail
        return unpacked


class ZstdUnpacker(Unpacker):
    """Unpacks zstd."""

    name = "zstd"

    def _begin(self) -> None:
        self._frame = ZstdDecompressor()

    def _step(self, size: int) -> bytes:
        try:
            unpacked = self._frame.decompress(self._piece, size)
        except ZstdError as error:
            raise BodyInvalid(f"The zstd stream is damaged ({error}).") from None
        self._piece = b""  # the library keeps what it did not use
        if self._frame.eof:
            self._piece, self._is_inside = self._frame.unused_data, False
        return unpacked


UNPACKERS: dict[str, type[Unpacker]] = {
    "gzip": GzipUnpacker,
    "x-gzip": GzipUnpacker,
    "zstd": ZstdUnpacker,
}
