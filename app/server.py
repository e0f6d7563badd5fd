"""The HTTP server: uvicorn, with limits on what a client may send, keep open and delay.

uvicorn alone waits without end for a request that was half sent, takes headers of any size, and
answers every request with 503 once too many connections are open, idle ones included.
"""

import asyncio
import resource
import socket
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.config import Settings

OPEN_FILES = 65_536
END_STREAMS = "end_streams"  # of the lifespan's state: ends the answers that would stream on
TICKS_BETWEEN_SWEEPS = 10  # of uvicorn's, each of 0.1 s
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\n"
FULL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """One connection, with limits on the bytes of its headers and on waiting for its client.

    `settings` is set on the subclass that `make_server` creates.
    """

    settings: Settings

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle_bytes = 0  # since the last byte of a body: headers, or the framing of chunks
        self._waits_since = self.loop.time()  # for the client: to send on, or to read
        self._is_in_head = True  # nothing, or a part of a request's head is here
        self._is_in_body = False
        self._is_writing_stopped = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for the connection, or refuse it."""
        super().connection_made(transport)
        if len(self.connections) <= self.settings.max_connections:
            return
        others = (x for x in self.connections if isinstance(x, BoundedProtocol) and x is not self)
        waiting = [other for other in others if other.holds_no_request]
        if waiting:
            min(waiting, key=lambda other: other.waits_since).end_waiting()
        else:
            self.drop(FULL)

    @property
    def waits_since(self) -> float:
        """Time at which the client last made progress, by the loop's clock."""
        return self._waits_since

    @property
    def holds_no_request(self) -> bool:
        """Whether only a part of a request's head has arrived."""
        is_waiting = self._is_in_head and self._is_answered
        return is_waiting and not self.transport.is_closing()

    @property
    def _is_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client."""
        if self.transport.is_closing():
            return
        self._idle_bytes += len(data)
        begins = self._is_in_head and self._idle_bytes == len(data)  # all of a head has its time
        if begins or (self._is_in_body and not self._is_answered):
            self._waits_since = self.loop.time()
        super().data_received(data)
        if self._idle_bytes > self.settings.max_header_bytes and not self.transport.is_closing():
            self.drop(TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Begin to serve the request."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self.settings.max_header_bytes:
            self.drop(TOO_LARGE)
            return
        self._idle_bytes, self._waits_since = 0, self.loop.time()
        self._is_in_head, self._is_in_body = False, True
        super().on_headers_complete()
        # Who is at the other end: of `client` a proxy's X-Forwarded-For may make another.
        peer = self.client[0] if self.client else ""
        self.scope["peer"] = peer  # type: ignore[typeddict-unknown-key]  # our own

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._idle_bytes = 0
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request; the next one may follow."""
        self._idle_bytes = 0
        self._is_in_head, self._is_in_body = True, False
        if not self.transport.is_closing():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of this one's body."""
        self._waits_since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Note that the client reads more slowly than the answer is written."""
        self._is_writing_stopped, self._waits_since = True, self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        self._is_writing_stopped, self._waits_since = False, self.loop.time()
        super().resume_writing()

    def end_if_late(self, now: float) -> None:
        """Close the connection if its client has kept it waiting too long."""
        if self.transport is None or self.transport.is_closing():
            return
        if self.flow.read_paused:  # the client waits for us
            self._waits_since = now
        waited = now - self._waits_since
        if self._is_writing_stopped:
            if waited > self.settings.body_seconds:
                self.transport.abort()
        elif self._is_in_body:
            limits = self.settings
            seconds = limits.linger_seconds if self._is_answered else limits.body_seconds
            if waited > seconds:
                self.drop(b"" if self._is_answered else TIMED_OUT)
        elif self._awaits_head() and waited > self.settings.header_seconds:
            self.end_waiting()

    def _awaits_head(self) -> bool:
        """Return whether a head is awaited; uvicorn ends idle connections after an answer."""
        return self._is_answered and (self._idle_bytes > 0 or self.cycle is None)

    def end_waiting(self) -> None:
        """Close a connection that serves no request; answer half a request with the reason."""
        self.drop(TIMED_OUT if self._idle_bytes else b"")

    def drop(self, status_line: bytes) -> None:
        """Answer with an empty body where no answer has begun, and close."""
        has_begun = self.cycle is not None and (
            self.cycle.response_started and not self.cycle.response_complete
        )
        if status_line and not has_begun:
            self.transport.write(status_line + b"content-length: 0\r\nconnection: close\r\n\r\n")
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


class BoundedServer(uvicorn.Server):
    """A server that checks once a second for connections whose client is too slow."""

    async def on_tick(self, counter: int) -> bool:
        """Close late connections now and then."""
        if counter % TICKS_BETWEEN_SWEEPS == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, BoundedProtocol):
                    connection.end_if_late(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the answers that would stream on, then close as uvicorn does."""
        end_streams = self.lifespan.state.get(END_STREAMS)
        if end_streams is not None:
            end_streams()
        await super().shutdown(sockets)


def make_server(app: Any, settings: Settings, **options: Any) -> BoundedServer:
    """Return the server of an application, or of `module:factory`, within the settings' limits."""
    protocol = type("Protocol", (BoundedProtocol,), {"settings": settings})
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        host=settings.host,
        port=settings.port,
        timeout_keep_alive=round(settings.keep_alive_seconds),
        timeout_graceful_shutdown=5,
        backlog=2048,
        log_level="warning",
        **options,
    )
    return BoundedServer(config)


def serve(settings: Settings) -> None:
    """Serve the API until a signal ends it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    with suppress(KeyboardInterrupt):  # uvicorn raises its signal again once all is closed
        make_server("app.main:create_app_from_environment", settings, factory=True).run()
