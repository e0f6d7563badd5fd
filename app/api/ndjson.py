"""Splits a streamed body into lines, in a thread and in constant memory."""

import time
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.config import Settings
from app.domain.errors import BodyInvalid, BodyTooLarge, ItemInvalid

STEP_BYTES = 256 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NumberedLine = tuple[int, bytes | ItemInvalid]  # a line that is too long comes as its error
Chunk = list[NumberedLine]


async def read_chunks(
    stream: AsyncIterator[bytes], settings: Settings
) -> AsyncIterator[list[NumberedLine]]:
    r"""Yield (number from 1, line) of the body in chunks; lines end at "\n" only.

    Blank lines are counted and left out; a byte order mark at the start of a line is skipped, as
    files that were put together have it. Where the body ends early, the whole lines before that
    are yielded before the error is raised.

    Raises:
        BodyInvalid: the body is damaged or truncated.
        BodyTooLarge: it is over a limit.
        ClientDisconnect: the client has gone.
    """
    reader, waiting = LineReader(settings), bytearray()
    try:
        async for data in stream:
            waiting += data
            if len(waiting) >= STEP_BYTES:
                for chunk in await run_in_threadpool(reader.feed, bytes(waiting)):
                    yield chunk
                waiting.clear()
    except (BodyInvalid, BodyTooLarge, ClientDisconnect):
        for chunk in await run_in_threadpool(reader.end, bytes(waiting), is_whole=False):
            yield chunk
        raise
    for chunk in await run_in_threadpool(reader.end, bytes(waiting), is_whole=True):
        yield chunk


class LineReader:
    """Splits what it is fed into chunks of numbered lines.

    Args:
        settings: the limits on lines and chunks, and on the time that splitting takes.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._number = 0
        self._rest = b""
        self._is_overlong = False
        self._chunk: Chunk = []
        self._chunk_bytes = 0
        self._seconds = 0.0

    def feed(self, data: bytes) -> list[Chunk]:
        """Return the chunks that are full now.

        Raises:
            BodyTooLarge: too many lines, or they took too long; nothing was taken.
        """
        self._check_limits()
        return self._split(data)

    def end(self, data: bytes, *, is_whole: bool) -> list[Chunk]:
        """Return the last chunks; a last line without its end counts if the body is whole."""
        chunks = self._split(data)
        if is_whole and (self._rest or self._is_overlong):
            chunks += self._chunks([self._rest])
        if self._chunk:
            chunks.append(self._chunk)
        return chunks

    def _split(self, data: bytes) -> list[Chunk]:
        started = time.thread_time()
        if not self._rest and not self._is_overlong and not data.strip():
            # Nothing but blank lines: counted without being split.
            self._number += data.count(b"\n")
            self._rest = data[data.rfind(b"\n") + 1 :]
            chunks = []
        else:
            *lines, self._rest = (self._rest + data).split(b"\n")
            chunks = self._chunks(lines)
            if len(self._rest) > self._settings.max_line_bytes:
                self._rest, self._is_overlong = b"", True
        self._seconds += time.thread_time() - started
        return chunks

    def _chunks(self, lines: list[bytes]) -> list[Chunk]:
        chunks = []
        for line in lines:
            self._number += 1
            if self._is_overlong or len(line) > self._settings.max_line_bytes:
                self._is_overlong = False
                self._chunk.append((self._number, self._too_large()))
            else:
                text = line.removeprefix(BYTE_ORDER_MARK)
                if not text or text.isspace():
                    continue
                self._chunk.append((self._number, text))
                self._chunk_bytes += len(line)
            if self._is_full():
                chunks.append(self._chunk)
                self._chunk, self._chunk_bytes = [], 0
        return chunks

    def _is_full(self) -> bool:
        limits = self._settings
        return (
            len(self._chunk) >= limits.import_chunk_lines
            or self._chunk_bytes >= limits.import_chunk_bytes
        )

    def _check_limits(self) -> None:
        if self._number > self._settings.max_lines:
            raise BodyTooLarge(
                f"The body has more than {self._settings.max_lines} lines (SVP_MAX_LINES); send "
                "it in several requests."
            )
        if self._seconds > self._settings.max_parse_seconds:
            raise BodyTooLarge(
                f"Splitting the body into lines took over {self._settings.max_parse_seconds:g} s "
                "(SVP_MAX_PARSE_SECONDS); send it in several requests."
            )

    def _too_large(self) -> ItemInvalid:
        return ItemInvalid(
            "line_too_large",
            f"The line has more than {self._settings.max_line_bytes} bytes (SVP_MAX_LINE_BYTES); "
            "cut the text or split it into several items.",
        )
