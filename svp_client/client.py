"""The client that waits for each answer."""

import time
from collections.abc import Iterator
from json import JSONDecodeError
from types import TracebackType
from typing import Any, TypeVar

import httpx

from svp_client.calls import Call, Lines, Pages, Series, raw
from svp_client.connection import NOT_MODIFIED, TIMEOUT_SECONDS, Connection
from svp_client.errors import cut_off, not_json
from svp_client.methods import Sync
from svp_client.ndjson import LineDecoder
from svp_client.retries import Retries
from svp_client.routes import Routes

T = TypeVar("T")


class Client(Routes, Sync):
    """Talks to one service with one token; threads may share it.

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
        http: httpx.Client | None = None,
    ) -> None:
        self._connection = Connection(url, token, retries or Retries())
        self._owns_http = http is None
        self._http = http or httpx.Client(
            **self._connection.http_options(timeout, trust_env=trust_env)
        )

    def __enter__(self) -> "Client":
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

    @property
    def token(self) -> str:
        """The token that requests carry."""
        return self._connection.token

    def with_token(self, token: str) -> "Client":
        """Return a client with another token over the same connections."""
        connection = self._connection
        return Client(connection.url, token, retries=connection.retries, http=self._http)

    def request(
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
        return self.perform(raw(method, path, options, is_idempotent=is_idempotent))

    def perform(self, described: Call[T] | Series[T]) -> T:
        """Send what is described and return the result.

        Raises:
            ClientError: a request failed.
        """
        if isinstance(described, Call):
            return described.parse(self._send(described))
        answer: Any = None
        while True:
            try:
                call = described.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer = self.perform(call)

    def iterate(self, described: Pages[T] | Lines[T]) -> Iterator[T]:
        """Send what is described and yield the entries as they come.

        Raises:
            ClientError: a request failed, or its answer broke off.
        """
        if isinstance(described, Lines):
            yield from self._lines(described.call)
            return
        cursor: int | None = None
        while True:
            page = self.perform(described.page(cursor))
            yield from page[described.key]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def _lines(self, call: Call[Any]) -> Iterator[Any]:
        response = self._send(call, stream=True)
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

    def _send(self, call: Call[Any], *, stream: bool = False) -> httpx.Response:
        """Return an answer that says success, after as many tries as the call allows."""
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
