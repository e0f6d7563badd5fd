"""Streams of events in both clients: what happens comes at once, across broken connections."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

import httpx
import pytest

from app.db.queries import events
from app.db.session import transaction
from app.db.tables import Role
from app.services.tokens import create_token
from svp_client import AsyncClient, Client, ClientError, Retries
from svp_client.calls import Stream, as_json, get
from svp_client.event_streams import Watch
from tests.app.conftest import port
from tests.loop import Factory
from tests.support import wait_for

__all__ = ["port"]

QUICK = Retries(n=3, first_seconds=0.05)
Take = Callable[..., list[dict[str, Any]]]


class Line:
    """A connection to the service through this process, which can be cut."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.open: list[socket.socket] = []
        self.n_connections = 0
        self.passed = bytearray()
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def cut(self) -> None:
        """Break every connection in the middle."""
        for each in self.open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.target))
            self.n_connections += 1
            self.open += [near, far]
            for one, other in ((near, far), (far, near)):
                thread = threading.Thread(target=self._pass_on, args=(one, other), daemon=True)
                self.threads.append(thread)
                thread.start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65_536):
                self.passed += data
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()
        for thread in self.threads:
            thread.join(10)
        for each in self.open:
            each.close()


@pytest.fixture
def line(port: int) -> Iterator[Line]:
    line = Line(port)
    yield line
    line.close()


@pytest.fixture
def token(session_factory: Factory) -> str:
    with transaction(session_factory) as session:
        return create_token(session, "watcher", Role.ADMIN, project_id=None)[0]


def take_sync(url: str, token: str, project: int, n: int, after: int | None) -> list[Any]:
    """Return the first `n` events that `Client` is told."""
    with Client(url, token, retries=QUICK) as client:
        told = client.watch_events(project, after=after)
        found = list(islice(told, n))
        told.close()  # type: ignore[attr-defined]
        return found


def take_async(url: str, token: str, project: int, n: int, after: int | None) -> list[Any]:
    """Return the first `n` events that `AsyncClient` is told."""

    async def take() -> list[Any]:
        found: list[Any] = []
        async with AsyncClient(url, token, retries=QUICK) as client:
            told = client.watch_events(project, after=after)
            async for event in told:
                found.append(event)
                if len(found) == n:
                    break
            await told.aclose()  # type: ignore[attr-defined]
        return found

    return asyncio.run(take())


@pytest.fixture(params=[take_sync, take_async], ids=["Client", "AsyncClient"])
def take(request: pytest.FixtureRequest, line: Line, token: str, text_project: int) -> Take:
    """take(n, after) -> the first events; of one of the two clients."""
    return lambda n, after=None: request.param(line.url, token, text_project, n, after)


class InThread:
    """Takes events while the test goes on."""

    def __init__(self, take: Take, n: int, after: int | None = None) -> None:
        self.found: list[Any] = []
        self._thread = threading.Thread(target=lambda: self.found.extend(take(n, after)))
        self._thread.start()

    def numbers(self) -> list[int]:
        self._thread.join(30)
        assert not self._thread.is_alive(), "it still waits"
        return [event["facts"]["n"] for event in self.found]


@pytest.fixture
def happen(session_factory: Factory, text_project: int) -> Callable[[int], int]:
    """happen(n) -> the id of a new event with this number."""

    def append(n: int) -> int:
        with transaction(session_factory) as session:
            events.append(session, text_project, "item.flagged", {"n": n})
            return events.newest_of(session, text_project)

    return append


def test_after_an_event_the_next_ones_come_and_then_new_ones(
    take: Take, happen: Callable[[int], int]
) -> None:
    last = happen(0)
    happen(1)
    watching = InThread(take, 3, last)
    happen(2)
    happen(3)
    assert watching.numbers() == [1, 2, 3]


def test_a_broken_connection_costs_no_event_and_doubles_none(
    take: Take, line: Line, happen: Callable[[int], int]
) -> None:
    last = happen(0)
    watching = InThread(take, 6, last)
    for n in range(1, 7):
        wait_for(lambda: line.n_connections > 0, 10)
        happen(n)
        if n in (2, 4):
            line.cut()
    assert watching.numbers() == [1, 2, 3, 4, 5, 6]
    assert line.n_connections > 1


def test_one_that_breaks_before_the_first_event_misses_none(
    take: Take, line: Line, happen: Callable[[int], int]
) -> None:
    happen(0)
    watching = InThread(take, 2)
    wait_for(lambda: b"event: counts" in line.passed, 10)
    line.cut()
    happen(1)
    happen(2)
    assert watching.numbers() == [1, 2]


def test_a_refusal_is_raised(line: Line, token: str, text_project: int) -> None:
    with Client(line.url, token, retries=QUICK) as client:
        with pytest.raises(ClientError, match="404 not_found"):
            next(client.watch_events(text_project + 1))
        with pytest.raises(ClientError, match="401"):
            next(client.with_token("svp_wrong").watch_events(text_project))


def test_something_else_that_answers_is_no_stream() -> None:
    http = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, text="hello")))
    client = Client("http://service", "t", retries=QUICK, http=http)
    with http, pytest.raises(ClientError, match="not_json"):
        next(client.watch_events(1))


class TestMessages:
    def watch(self) -> Watch[Any]:
        return Watch(Stream(get("/x", as_json), "event", None))

    def resumes_at(self, watch: Watch[Any]) -> str | None:
        headers: dict[str, str] = watch.call().body["headers"]
        return headers.get("Last-Event-ID")

    def test_pieces_of_any_size_are_put_together(self) -> None:
        text = (
            'retry: 500\n\n: here\n\nid: 3\nevent: event\ndata: {"n": "ü"}\n\n'
            "event: counts\ndata: {}\n\nid: 4\r\nevent: event\r\ndata: {\r\ndata: }\r\n\r\n"
        ).encode()
        for size in (1, 2, 7, len(text)):
            watch = self.watch()
            found = [
                body
                for at in range(0, len(text), size)
                for body in watch.feed(text[at : at + size])
            ]
            assert found == [{"n": "ü"}, {}]
            assert watch.pause_seconds == 0.5
            assert self.resumes_at(watch) == "4"

    def test_a_message_that_was_cut_off_is_asked_for_again(self) -> None:
        watch = self.watch()
        assert watch.feed(b"id: 3\nevent: event\ndata: {}\n\n") == [{}]
        assert watch.feed(b"id: 4\nevent: event\ndata: {") == []
        assert self.resumes_at(watch) == "3"
        assert watch.feed(b'id: 4\nevent: event\ndata: {"n": 1}\n\n') == [{"n": 1}]
