"""Streams of Server-Sent Events: cut into messages, and resumed where a connection broke."""

import json
from dataclasses import replace
from typing import Any, Generic, TypeVar

import httpx

from svp_client.calls import Call, Stream

T = TypeVar("T")
MEDIA_TYPE = "text/event-stream"
PAUSE_SECONDS = 2.0  # before a stream is opened again, unless the service says another one


class Watch(Generic[T]):
    """One reader of a stream: what it has seen, and the call that resumes behind that.

    Attributes:
        pause_seconds: before the stream is opened again.
    """

    def __init__(self, stream: Stream[T]) -> None:
        self._stream = stream
        self._last_id = None if stream.after is None else str(stream.after)
        self._rest = b""
        self._fields: dict[str, str] = {}
        self.pause_seconds = PAUSE_SECONDS

    def call(self) -> Call[Any]:
        """Return the call that opens the stream where this reader is; what was cut off is gone."""
        self._rest, self._fields = b"", {}
        headers = {} if self._last_id is None else {"Last-Event-ID": self._last_id}
        return replace(self._stream.call, body={"headers": headers})

    @staticmethod
    def reads(response: httpx.Response) -> bool:
        """Return whether the answer is such a stream."""
        return str(response.headers.get("Content-Type", "")).startswith(MEDIA_TYPE)

    def feed(self, data: bytes) -> list[T]:
        """Return what the messages of the wanted kind hold that have ended.

        Raises:
            JSONDecodeError: one holds no JSON.
        """
        found: list[T] = []
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            text = line.rstrip(b"\r").decode(errors="replace")
            if text:
                self._take(text)
            else:
                found += self._end_message()
        return found

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "retry" and value.isdecimal():
            self.pause_seconds = int(value) / 1000
        elif name == "data" and name in self._fields:
            self._fields[name] += f"\n{value}"
        else:
            self._fields[name] = value

    def _end_message(self) -> list[T]:
        fields, self._fields = self._fields, {}
        body = []
        if "data" in fields and fields.get("event", "message") == self._stream.kind:
            body = [json.loads(fields["data"])]
        # Only now: one that was cut off is asked for again.
        self._last_id = fields.get("id", self._last_id)
        return body
