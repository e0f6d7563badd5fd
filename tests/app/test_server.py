"""The server: half-sent requests end, heads are bounded, connections are limited."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socket import create_connection, socket

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.config import Settings
from app.server import make_server
from tests.support import wait_for

LIMITS = {
    "linger_seconds": 1.5,
    "port": 0,
    "header_seconds": 0.5,
    "body_seconds": 0.7,
    "max_header_bytes": 2048,
    "max_connections": 8,
}
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
Connect = Callable[[], socket]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the length of the body; `/refuse` does not read it."""
    request = Request(scope, receive)
    if request.url.path == "/refuse":
        await PlainTextResponse("no", 401)(scope, receive, send)
        return
    try:
        body = await request.body()
    except ClientDisconnect:
        return
    if request.url.path == "/slow":
        await asyncio.sleep(1.5)
    await PlainTextResponse(f"{len(body)} bytes")(scope, receive, send)


@contextmanager
def served(settings: Settings) -> Iterator[Connect]:
    server = make_server(echo, settings, lifespan="off")
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started, 30)
    port = server.servers[0].sockets[0].getsockname()[1]
    opened: list[socket] = []

    def connect() -> socket:
        opened.append(create_connection(("127.0.0.1", port), timeout=15))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()
    server.should_exit = True
    thread.join()


@pytest.fixture
def connect(settings: Settings) -> Iterator[Connect]:
    with served(settings.model_copy(update=LIMITS)) as connect:
        yield connect


def answer_of(connection: socket) -> bytes:
    """Return what comes until the server closes the connection."""
    found = b""
    try:
        while data := connection.recv(65_536):
            found += data
    except ConnectionResetError:
        pass
    return found


def ask(connection: socket, request: bytes = GET) -> bytes:
    """Return the first part of an answer on a connection that stays open."""
    connection.sendall(request)
    return connection.recv(65_536)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b""),
        (b"GET / HT", b"HTTP/1.1 408"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: ", b"HTTP/1.1 408"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", b"HTTP/1.1 408"),
        (b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", b"HTTP/1.1 401"),
    ],
    ids=["nothing", "line", "head", "body", "answered body"],
)
def test_half_a_request_ends(connect: Connect, sent: bytes, answer: bytes) -> None:
    connection = connect()
    connection.sendall(sent)
    found = answer_of(connection)
    assert found.startswith(answer)
    assert bool(found) == bool(answer)


def test_a_head_that_drips_ends_too(connect: Connect) -> None:
    connection = connect()
    started = time.monotonic()
    try:
        for byte in b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 100:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)
    except OSError:
        pass
    assert time.monotonic() - started < 5
    assert answer_of(connection).startswith((b"HTTP/1.1 408", b""))


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 4000,
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 900 + b"\r\n",
        b"GET /" + b"a" * 4000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\n" * 2000,
    ],
    ids=["value", "many", "path", "blank lines"],
)
def test_a_head_over_the_limit_is_refused(connect: Connect, sent: bytes) -> None:
    connection = connect()
    connection.sendall(sent)
    assert answer_of(connection).startswith(b"HTTP/1.1 431")
    assert ask(connect()).startswith(b"HTTP/1.1 200")


def test_trailers_are_bounded_like_heads(connect: Connect) -> None:
    connection = connect()
    connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    time.sleep(0.1)
    connection.sendall(b"A: b\r\n" * 900)
    assert answer_of(connection).startswith(b"HTTP/1.1 431")


def test_long_bodies_and_slow_answers_are_served(connect: Connect) -> None:
    connection = connect()
    head = b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"
    assert b"3000000 bytes" in ask(connection, head + b"x" * 3_000_000)
    assert ask(connection).startswith(b"HTTP/1.1 200")
    chunks = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks += b"1\r\na\r\n" * 5000 + b"0\r\n\r\n"
    assert b"5000 bytes" in ask(connection, chunks)


def test_the_rest_of_a_refused_body_is_dropped_and_the_connection_stays(connect: Connect) -> None:
    connection = connect()
    head = b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"
    assert ask(connection, head + b"x" * 3_000_000).startswith(b"HTTP/1.1 401")
    assert ask(connection).startswith(b"HTTP/1.1 200")


def test_an_idle_connection_stays_longer_than_a_half_sent_request(connect: Connect) -> None:
    connection = connect()
    assert ask(connection).startswith(b"HTTP/1.1 200")
    time.sleep(2)
    assert ask(connection).startswith(b"HTTP/1.1 200")


def test_new_connections_take_the_place_of_those_that_wait(settings: Settings) -> None:
    patient = {**LIMITS, "header_seconds": 60.0, "body_seconds": 60.0}
    with served(settings.model_copy(update=patient)) as connect:
        held = [connect() for _ in range(40)]
        for connection in held:
            with suppress(OSError):
                connection.sendall(b"GET / HT")
        assert ask(connect()).startswith(b"HTTP/1.1 200")


def test_a_full_server_says_so(settings: Settings) -> None:
    patient = {**LIMITS, "body_seconds": 60.0}
    with served(settings.model_copy(update=patient)) as connect:
        for _ in range(8):
            connect().sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        time.sleep(0.3)
        assert answer_of(connect()).startswith(b"HTTP/1.1 503")
