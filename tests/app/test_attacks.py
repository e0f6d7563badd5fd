"""Malicious bodies: refused at once, and health answers meanwhile."""

import gzip
import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.db.session import transaction
from app.db.tables import Role
from app.services.tokens import create_token
from tests.loop import start_labeling

pytestmark = pytest.mark.slow

NESTED = b"[" + b"[]," * 13_300_000 + b"[]]"
WAIT_SECONDS = 8.0  # health answers within, on a busy machine; it took 23 s and 52 s


class Attacked:
    """A real server and tokens of its project."""

    def __init__(self, port: int, project: int, tokens: dict[Role, str]) -> None:
        self.port, self.project, self.tokens = port, project, tokens

    def send(self, path: str, body: bytes, role: Role | None, **headers: str) -> tuple[int, float]:
        """Return (status, seconds) of a POST."""
        if role is not None:
            headers["Authorization"] = f"Bearer {self.tokens[role]}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        started = time.monotonic()
        connection.request("POST", f"/api/v1/projects/{self.project}{path}", body, headers)
        status = connection.getresponse().status
        connection.close()
        return status, time.monotonic() - started

    @contextmanager
    def watched(self) -> Iterator[list[float]]:
        """Yield the seconds that health takes to answer, again and again meanwhile."""
        seconds: list[float] = []
        stop = threading.Event()

        def watch() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
            while not stop.is_set() or len(seconds) < 3:
                started = time.monotonic()
                connection.request("GET", "/api/v1/health/live")
                connection.getresponse().read()
                seconds.append(time.monotonic() - started)
                time.sleep(0.01)
            connection.close()

        thread = threading.Thread(target=watch)
        thread.start()
        yield seconds
        stop.set()
        thread.join()


@pytest.fixture
def attacked(port: int, settings: object, session_factory: sessionmaker[Session]) -> Attacked:
    project = start_labeling(session_factory, settings, "attacked", total_budget=9)  # type: ignore[arg-type]
    with transaction(session_factory) as session:
        tokens = {
            role: create_token(session, role.value, role, project_id=project)[0]
            for role in (Role.ANNOTATOR, Role.ADMIN)
        }
    return Attacked(port, project, tokens)


def test_forty_megabytes_of_a_stranger_are_not_parsed(attacked: Attacked) -> None:
    with attacked.watched() as seconds:
        found = attacked.send("/labels", NESTED, None, **{"Content-Type": "application/json"})
    assert found[0] == 401
    assert found[1] < WAIT_SECONDS
    assert max(seconds) < WAIT_SECONDS


def test_forty_megabytes_of_an_annotator_are_refused(attacked: Attacked) -> None:
    with attacked.watched() as seconds:
        kind = {"Content-Type": "application/json"}
        found = attacked.send("/labels", NESTED, Role.ANNOTATOR, **kind)
    assert found[0] == 413
    assert found[1] < WAIT_SECONDS
    assert max(seconds) < WAIT_SECONDS


@pytest.mark.parametrize("unit", [b"[],", b"{},", b'{"item_id":"x"},', b'"a",', b"1e5,"])
def test_json_within_the_limit_does_not_stall(attacked: Attacked, unit: bytes) -> None:
    body = b'{"labels": [' + unit * (1_000_000 // len(unit)) + b"1]}"
    with attacked.watched() as seconds:
        kind = {"Content-Type": "application/json"}
        assert attacked.send("/labels", body, Role.ANNOTATOR, **kind)[0] == 422
    assert max(seconds) < WAIT_SECONDS


@pytest.mark.parametrize("line", [b"\n", b" x\n", b"[[],[]]\n", b'{"a":1}\n'])
def test_gzip_of_lines_does_not_stall(attacked: Attacked, line: bytes) -> None:
    body = gzip.compress(line * (94_000_000 // len(line)))
    with attacked.watched() as seconds:
        kind = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        found = attacked.send("/items", body, Role.ADMIN, **kind)
    assert found[0] in {400, 413}
    assert max(seconds) < WAIT_SECONDS


def test_a_long_line_of_keys_does_not_stall(attacked: Attacked) -> None:
    line = b"{" + b",".join(b'"k%d":1' % i for i in range(300_000)) + b"}\n"
    with attacked.watched() as seconds:
        found = attacked.send(
            "/items", line, Role.ADMIN, **{"Content-Type": "application/x-ndjson"}
        )
    assert found[0] == 200
    assert max(seconds) < WAIT_SECONDS
