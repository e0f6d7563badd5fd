"""Lines of JSON, written in pieces of limited size and read as they come."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpx

MEDIA_TYPE = "application/x-ndjson"


def encode_line(entry: Mapping[str, Any]) -> bytes:
    """Return one entry as a line; lone surrogates stay, and the service refuses them."""
    text = json.dumps(entry, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass") + b"\n"


def pieces(entries: Iterable[Mapping[str, Any]], max_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yield (number of lines, the lines) of at most `max_bytes`, unless one line is longer."""
    buffer: list[bytes] = []
    n_bytes = 0
    for entry in entries:
        line = encode_line(entry)
        if buffer and n_bytes + len(line) > max_bytes:
            yield len(buffer), b"".join(buffer)
            buffer, n_bytes = [], 0
        buffer.append(line)
        n_bytes += len(line)
    if buffer:
        yield len(buffer), b"".join(buffer)


class LineDecoder:
    """Cuts a stream of bytes into JSON lines.

    Only a line feed ends a line; a text may hold the other characters that Unicode counts as ends.
    """

    def __init__(self) -> None:
        self._rest = bytearray()

    @staticmethod
    def reads(response: httpx.Response) -> bool:
        """Return whether the answer is such a stream."""
        return str(response.headers.get("Content-Type", "")).startswith(MEDIA_TYPE)

    def feed(self, data: bytes) -> list[Any]:
        """Return the objects of the lines that have ended."""
        self._rest += data
        if b"\n" not in data:
            return []
        *whole, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        return [json.loads(line) for line in whole if line.strip()]

    def end(self) -> list[Any]:
        """Return the object of a last line that has no end."""
        return [json.loads(bytes(self._rest))] if self._rest.strip() else []
