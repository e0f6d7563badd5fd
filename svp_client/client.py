"""The client that waits for each answer."""

import time
from collections.abc import Iterator
from json import JSONDecodeError
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from svp_client.base import BaseClient
from svp_client.calls import Blocks, Call, Lines, Pages, Pause, Series, Stream
from svp_client.connection import NOT_MODIFIED
from svp_client.errors import ClientError, cut_off, not_json
from svp_client.event_streams import Watch
from svp_client.methods import Sync
from svp_client.ndjson import LineDecoder

T = TypeVar("T")


class Client(BaseClient[httpx.Client], Sync):
    """Talks to one service with one token; threads may share it."""

    @staticmethod
    def _new_http(**options: Any) -> httpx.Client:
        return httpx.Client(**options)

    def __enter__(self) -> Self:
        """Return the client; leaving closes its connections."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections that this client opened."""
        if self._owns_http:
            self._http.close()

    def perform(self, described: Call[T] | Series[T]) -> T:
        """Send the described calls and return the result.

        Raises:
            ClientError: a request failed.
        """
        if isinstance(described, Call):
            return described.parse(self._send(described))
        answer: Any = None
        failure: ClientError | None = None
        while True:
            try:
                call = described.throw(failure) if failure else described.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer = failure = None
            try:
                if isinstance(call, Pause):
                    time.sleep(call.seconds)
                else:
                    answer = self.perform(call)
            except ClientError as error:
                failure = error

    def iterate(self, described: Pages[T] | Lines[T] | Stream[T]) -> Iterator[T]:
        """Send the described calls and yield the entries as they come.

        Raises:
            ClientError: a request failed, or its answer broke off.
        """
        if isinstance(described, Lines):
            read = self._blocks if isinstance(described, Blocks) else self._lines
            response = self._opened(described)
            yield from read(response)
            return
        if isinstance(described, Stream):
            yield from self._watch(described)
            return
        cursor: int | None = None
        while True:
            page = self.perform(described.page(cursor))
            yield from page[described.key]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def _opened(self, described: Lines[Any]) -> httpx.Response:
        """Return the stream, or the one that the service offers instead."""
        try:
            return self._send(described.call, stream=True)
        except ClientError as refusal:
            if described.instead is None or refusal.code != described.refusal:
                raise
        return self._send(self.perform(described.instead()), stream=True)

    def _blocks(self, response: httpx.Response) -> Iterator[Any]:
        try:
            yield from response.iter_bytes()
        except httpx.RequestError as failure:
            raise cut_off(self._connection.url, failure) from failure
        finally:
            response.close()

    def _lines(self, response: httpx.Response) -> Iterator[Any]:
        decoder = LineDecoder()
        try:
            if not decoder.reads(response):
                response.read()
                raise not_json(response)
            for data in response.iter_bytes():
                yield from decoder.feed(data)
            yield from decoder.end()
        except (httpx.RequestError, JSONDecodeError) as failure:
            raise cut_off(self._connection.url, failure) from failure
        finally:
            response.close()

    def _watch(self, stream: Stream[T]) -> Iterator[T]:
        """Yield what a stream tells, and open it again where it has ended or broken off."""
        watch = Watch(stream)
        while True:
            response = self._send(watch.call(), stream=True)
            try:
                if not watch.reads(response):
                    response.read()
                    raise not_json(response)
                for data in response.iter_bytes():
                    yield from watch.feed(data)
            except httpx.RequestError:
                pass  # resumed behind what was read whole
            except JSONDecodeError as failure:
                raise cut_off(self._connection.url, failure) from failure
            finally:
                response.close()
            time.sleep(watch.pause_seconds)

    def _send(self, call: Call[Any], *, stream: bool = False) -> httpx.Response:
        """Return a successful answer, after as many tries as the call allows."""
        tries = self._connection.tries(call)
        while True:
            options = self._connection.request_options(call)
            if call.file is not None:
                options["content"] = call.file.blocks()
            try:
                response = self._http.send(self._http.build_request(**options), stream=stream)
                if response.is_success or response.status_code == NOT_MODIFIED:
                    return response
                response.read()
            except httpx.RequestError as failure:
                wait = tries.wait_after_failure(failure)
            else:
                wait = tries.wait_after_answer(response)
            time.sleep(wait)
