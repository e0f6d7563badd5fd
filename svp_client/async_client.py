"""The client for asyncio: each answer is awaited."""

import asyncio
from collections.abc import AsyncIterator
from json import JSONDecodeError
from types import TracebackType
from typing import Any, TypeVar

import httpx

from svp_client.calls import Call, FileBody, Lines, Pages, Series, raw
from svp_client.connection import NOT_MODIFIED, TIMEOUT_SECONDS, Connection
from svp_client.errors import cut_off, not_json
from svp_client.methods import Async
from svp_client.ndjson import LineDecoder
from svp_client.retries import Retries
from svp_client.routes import Routes

T = TypeVar("T")


class AsyncClient(Routes, Async):
    """Talks to one service with one token; tasks of one event loop may share it.

    Args:
        url: of the service, e.g. http://127.0.0.1:8000.
        token: a bearer token, from `svp token create` or `create_token`.
        timeout: seconds to wait for a connection and for each part of an answer.
        retries: how often requests that may be repeated are sent again.
        trust_env: whether proxies and certificates are taken from the environment (HTTP_PROXY,
            SSL_CERT_FILE and so on). By default they are, unless the service is on this machine.
        http: an httpx client to use instead of a new one; closing this client leaves it open.

    Raises:
        ClientError: the URL is not one.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        retries: Retries | None = None,
        trust_env: bool | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._connection = Connection(url, token, retries or Retries())
        self._owns_http = http is None
        self._http = http or httpx.AsyncClient(
            **self._connection.http_options(timeout, trust_env=trust_env)
        )

    async def __aenter__(self) -> "AsyncClient":
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

    @property
    def token(self) -> str:
        """The token that requests carry."""
        return self._connection.token

    def with_token(self, token: str) -> "AsyncClient":
        """Return a client with another token over the same connections."""
        connection = self._connection
        return AsyncClient(connection.url, token, retries=connection.retries, http=self._http)

    async def request(
        self, method: str, path: str, *, is_idempotent: bool | None = None, **options: Any
    ) -> httpx.Response:
        """Return the answer of a request below /api/v1, for what has no method of its own.

        Args:
            method: of HTTP.
            path: below /api/v1, e.g. /projects.
            is_idempotent: whether it may be sent again; by default the method says so.
            **options: of httpx's `build_request`: params, json, content, headers.

        Raises:
            ClientError: it failed.
        """
        return await self.perform(raw(method, path, options, is_idempotent=is_idempotent))

    async def perform(self, described: Call[T] | Series[T]) -> T:
        """Send what is described and return the result.

        Raises:
            ClientError: a request failed.
        """
        if isinstance(described, Call):
            return described.parse(await self._send(described))
        answer: Any = None
        while True:
            try:
                call = described.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer = await self.perform(call)

    async def iterate(self, described: Pages[T] | Lines[T]) -> AsyncIterator[T]:
        """Send what is described and yield the entries as they come.

        Raises:
            ClientError: a request failed, or its answer broke off.
        """
        if isinstance(described, Lines):
            async for line in self._lines(described.call):
                yield line
            return
        cursor: int | None = None
        while True:
            page = await self.perform(described.page(cursor))
            for entry in page[described.key]:
                yield entry
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def _lines(self, call: Call[Any]) -> AsyncIterator[Any]:
        response = await self._send(call, stream=True)
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

    async def _send(self, call: Call[Any], *, stream: bool = False) -> httpx.Response:
        """Return an answer that says success, after as many tries as the call allows."""
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
