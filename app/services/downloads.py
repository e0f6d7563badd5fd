"""HTTP requests with one deadline for everything: connection, handshake, head and body.

A limit for each read, which is all that httpx has, lets a host that sends a byte per second go on
forever. Here each step gets only what is left of the time.
"""

import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

FAULTS = (httpx.HTTPError, httpcore.NetworkError, httpcore.ProtocolError)
START_BYTES = 1024


class Deadline:
    """The end of a download, by the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def left(self) -> float:
        """Return how many seconds are left.

        Raises:
            TimeoutError: none.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def download(
    url: str,
    headers: dict[str, str],
    server_name: str | None,
    deadline: Deadline,
    check: Callable[[int, bytearray], None],
) -> bytes:
    """Return the content of the URL; follows no redirect and uses no proxy.

    Args:
        url: http or https.
        headers: to send besides the usual ones.
        server_name: whose certificate is wanted, where the URL holds an address.
        deadline: of everything.
        check: called with the status and what has come so far; it raises to end the download.

    Raises:
        TimeoutError: it is not whole at the deadline.
        FAULTS: it cannot be read.
    """
    data = bytearray()

    def take(status: int, chunk: bytes) -> None:
        data.extend(chunk)
        check(status, data)

    download_to(url, headers, server_name, deadline, take)
    return bytes(data)


def download_to(
    url: str,
    headers: dict[str, str],
    server_name: str | None,
    deadline: Deadline,
    take: Callable[[int, bytes], None],
) -> None:
    """Hand the content of the URL to `take` as it comes; arguments and errors as of `download`.

    `take` is called with the status and the next bytes, first with none; it raises to end the
    download.
    """
    with _answered("GET", url, headers, server_name, deadline) as response:
        take(response.status_code, b"")
        for chunk in response.iter_bytes():
            take(response.status_code, chunk)


@dataclass(frozen=True)
class Answer:
    """The answer to a POST; `start` is the beginning of its body."""

    status: int
    headers: httpx.Headers
    start: bytes


def post(
    url: str, content: bytes, headers: dict[str, str], server_name: str | None, deadline: Deadline
) -> Answer:
    """Send the content and return the answer; follows no redirect and uses no proxy.

    Args:
        url: http or https.
        content: of the request.
        headers: to send besides the usual ones.
        server_name: whose certificate is wanted, where the URL holds an address.
        deadline: of everything.

    Raises:
        TimeoutError: there is no answer at the deadline.
        FAULTS: it cannot be sent.
    """
    plain = {"Accept-Encoding": "identity", **headers}
    start = bytearray()
    with _answered("POST", url, plain, server_name, deadline, content) as response:
        for chunk in response.iter_raw():
            start += chunk
            if len(start) >= START_BYTES:
                break
    return Answer(response.status_code, response.headers, bytes(start[:START_BYTES]))


@contextmanager
def _answered(  # noqa: PLR0913, PLR0917 - the parts of a request
    method: str,
    url: str,
    headers: dict[str, str],
    server_name: str | None,
    deadline: Deadline,
    content: bytes | None = None,
) -> Iterator[httpx.Response]:
    """Yield the answer whose body is still to be read."""
    extensions = {"sni_hostname": server_name} if server_name else {}
    try:
        with (
            httpx.Client(
                transport=_Transport(deadline),
                timeout=None,  # noqa: S113 - the deadline is the transport's
                follow_redirects=False,
                trust_env=False,
            ) as http,
            http.stream(
                method, url, headers=headers, extensions=extensions, content=content
            ) as response,
        ):
            yield response
    except httpcore.TimeoutException:
        raise TimeoutError from None


class _Transport(httpx.BaseTransport):
    """httpx's own transport, except that its connections know the deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self._pool = httpcore.ConnectionPool(network_backend=_Network(deadline))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, Iterable)  # noqa: S101 - of a client that is not async
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        answer = self._pool.handle_request(
            httpcore.Request(
                request.method,
                url,
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class _Network(httpcore.NetworkBackend):
    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._sockets.connect_tcp(
            host, port, self._deadline.left(), local_address, socket_options
        )
        return _Stream(stream, self._deadline)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        try:
            left = self._deadline.left()
        except TimeoutError:
            self._stream.close()  # httpcore closes it only where the handshake itself fails
            raise
        stream = self._stream.start_tls(ssl_context, server_hostname, left)
        return _Stream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
