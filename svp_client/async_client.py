"""The client for asyncio: each answer is awaited."""

import asyncio
from collections.abc import AsyncIterator
from json import JSONDecodeError
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from svp_client.base import BaseClient
from svp_client.calls import Blocks, Call, FileBody, Lines, Pages, Pause, Series, Stream
from svp_client.connection import NOT_MODIFIED
from svp_client.errors import ClientError, cut_off, not_json
from svp_client.event_streams import Watch
from svp_client.methods import Async
from svp_client.ndjson import LineDecoder

T = TypeVar("T")


class AsyncClient(BaseClient[httpx.AsyncClient], Async):
    """Talks to one service with one token; tasks of one event loop may share it."""

    @staticmethod
    def _new_http(**options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(**options)

    async def __aenter__(self) -> Self:
        """Return the client; leaving closes its connections."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that this client opened."""
        if self._owns_http:
            await self._http.aclose()

    async def perform(self, described: Call[T] | Series[T]) -> T:
        """Send the described calls and return the result.

        Raises:
            ClientError: a request failed.
        """
        if isinstance(described, Call):
            return described.parse(await self._send(described))
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
                    await asyncio.sleep(call.seconds)
                else:
                    answer = await self.perform(call)
            except ClientError as error:
                failure = error

    async def iterate(self, described: Pages[T] | Lines[T] | Stream[T]) -> AsyncIterator[T]:
        """Send the described calls and yield the entries as they come.

        Raises:
            ClientError: a request failed, or its answer broke off.
        """
        if isinstance(described, Lines):
            read = self._blocks if isinstance(described, Blocks) else self._lines
            response = await self._opened(described)
            async for entry in read(response):
                yield entry
            return
        if isinstance(described, Stream):
            async for message in self._watch(described):
                yield message
            return
        cursor: int | None = None
        while True:
            page = await self.perform(described.page(cursor))
            for entry in page[described.key]:
                yield entry
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def _opened(self, described: Lines[Any]) -> httpx.Response:
        """Return the stream, or the one that the service offers instead."""
        try:
            return await self._send(described.call, stream=True)
        except ClientError as refusal:
            if described.instead is None or refusal.code != described.refusal:
                raise
        return await self._send(await self.perform(described.instead()), stream=True)

    async def _blocks(self, response: httpx.Response) -> AsyncIterator[Any]:
        try:
            async for data in response.aiter_bytes():
                yield data
        except httpx.RequestError as failure:
            raise cut_off(self._connection.url, failure) from failure
        finally:
            await response.aclose()

    async def _lines(self, response: httpx.Response) -> AsyncIterator[Any]:
        decoder = LineDecoder()
        try:
            if not decoder.reads(response):
                await response.aread()
                raise not_json(response)
            async for data in response.aiter_bytes():
                for line in decoder.feed(data):
                    yield line
            for line in decoder.end():
                yield line
        except (httpx.RequestError, JSONDecodeError) as failure:
            raise cut_off(self._connection.url, failure) from failure
        finally:
            await response.aclose()

    async def _watch(self, stream: Stream[T]) -> AsyncIterator[T]:
        """Yield what a stream tells, and open it again where it has ended or broken off."""
        watch = Watch(stream)
        while True:
            response = await self._send(watch.call(), stream=True)
            try:
                if not watch.reads(response):
                    await response.aread()
                    raise not_json(response)
                async for data in response.aiter_bytes():
                    for message in watch.feed(data):
                        yield message
            except httpx.RequestError:
                pass  # resumed behind what was read whole
            except JSONDecodeError as failure:
                raise cut_off(self._connection.url, failure) from failure
            finally:
                await response.aclose()
            await asyncio.sleep(watch.pause_seconds)

    async def _send(self, call: Call[Any], *, stream: bool = False) -> httpx.Response:
        """Return a successful answer, after as many tries as the call allows."""
        tries = self._connection.tries(call)
        while True:
            options = self._connection.request_options(call)
            if call.file is not None:
                options["content"] = _blocks(call.file)
            try:
                request = self._http.build_request(**options)
                response = await self._http.send(request, stream=stream)
                if response.is_success or response.status_code == NOT_MODIFIED:
                    return response
                await response.aread()
            except httpx.RequestError as failure:
                wait = tries.wait_after_failure(failure)
            else:
                wait = tries.wait_after_answer(response)
            await asyncio.sleep(wait)


async def _blocks(file: FileBody) -> AsyncIterator[bytes]:
    for block in file.blocks():
        yield block
