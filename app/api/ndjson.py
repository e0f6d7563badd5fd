"""Lines of a streamed body, plain or gzip, in constant memory."""

import zlib
from collections.abc import AsyncIterator

from app.config import Settings
from app.domain.errors import BodyInvalid, BodyTooLarge, ItemInvalid

GZIP = 16 + zlib.MAX_WBITS
STEP_BYTES = 256 * 1024


async def read_lines(
    stream: AsyncIterator[bytes], settings: Settings, *, is_gzip: bool
) -> AsyncIterator[tuple[int, bytes | ItemInvalid]]:
    """Yield (number from 1, line) of the body; a line that is too long comes as its error.

    Blank lines are counted and left out.

    Raises:
        BodyInvalid: the gzip stream is damaged or cut off.
        BodyTooLarge: the unpacked body is over the limit.
    """
    number, rest, is_overlong = 0, b"", False
    async for data in _unpacked(stream, settings) if is_gzip else stream:
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            number += 1
            if is_overlong or len(line) > settings.max_line_bytes:
                is_overlong = False
                yield number, _too_large(settings)
            elif line.strip():
                yield number, line
        if len(rest) > settings.max_line_bytes:
            rest, is_overlong = b"", True
    if is_overlong:
        yield number + 1, _too_large(settings)
    elif rest.strip():
        yield number + 1, rest


def _too_large(settings: Settings) -> ItemInvalid:
    return ItemInvalid(
        "line_too_large",
        f"The line has more than {settings.max_line_bytes} bytes (SVP_MAX_LINE_BYTES); cut the "
        "text or split it into several items.",
    )


async def _unpacked(stream: AsyncIterator[bytes], settings: Settings) -> AsyncIterator[bytes]:
    unpacker, n_bytes = zlib.decompressobj(GZIP), 0
    try:
        async for data in stream:
            pending = data
            while pending:
                unpacked = unpacker.decompress(pending, STEP_BYTES)
                pending = unpacker.unconsumed_tail
                n_bytes += len(unpacked)
                if n_bytes > settings.max_body_bytes:
                    raise BodyTooLarge(
                        f"The unpacked body is over the limit of {settings.max_body_bytes} bytes; "
                        "send it in several requests. What came before is kept."
                    )
                yield unpacked
        yield unpacker.flush()
    except zlib.error as error:
        raise BodyInvalid(
            f"The gzip stream is damaged ({error}). What came before is kept; sending all again "
            "is safe."
        ) from None
    if not unpacker.eof:
        raise BodyInvalid(
            "The gzip stream is cut off. What came before is kept; sending all again is safe."
        )
