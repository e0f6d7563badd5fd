"""The stream of events: what is told, resuming, limits, and its end."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.api.event_streams import MOST_OF_CALLER, PAGE
from app.db.queries import events
from app.db.session import transaction
from app.db.tables import Role
from app.services.tokens import create_token
from tests.app.conftest import Start
from tests.loop import Factory
from tests.support import wait_for

Message = tuple[str, int | None, dict[str, Any]]


@pytest.fixture
def token(session_factory: Factory) -> str:
    with transaction(session_factory) as session:
        return create_token(session, "root", Role.ADMIN, project_id=None)[0]


class Reader:
    """Reads a stream in a thread; `told` holds its messages so far."""

    def __init__(self, port: int, token: str, project: int, **asked: Any) -> None:
        self.told: list[Message] = []
        self.status = 0
        self.ended = threading.Event()
        headers = {"Authorization": f"Bearer {token}", **asked.pop("headers", {})}
        url = f"http://127.0.0.1:{port}/api/v1/projects/{project}/events/stream"
        self._thread = threading.Thread(target=self._read, args=(url, headers, asked), daemon=True)
        self._thread.start()
        wait_for(lambda: self.status > 0 or self.ended.is_set(), 10)

    def _read(self, url: str, headers: dict[str, str], parameters: dict[str, Any]) -> None:
        with httpx.stream("GET", url, headers=headers, params=parameters, timeout=30) as answer:
            self.status = answer.status_code
            for fields in _messages(answer.iter_lines()):
                if "data" in fields:
                    at = int(fields["id"]) if "id" in fields else None
                    self.told.append((fields["event"], at, json.loads(fields["data"])))
        self.ended.set()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [body for name, _, body in self.told if name == kind]


def _messages(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        else:
            yield fields
            fields = {}


@pytest.fixture
def watch(port: int, token: str) -> Callable[..., Reader]:
    def start(project: int, **asked: Any) -> Reader:
        return Reader(port, token, project, **asked)

    return start


@pytest.fixture
def append(session_factory: Factory) -> Callable[..., None]:
    def append_one(project: int, n: int) -> None:
        with transaction(session_factory) as session:
            events.append(session, project, "test.happened", {"n": n})

    return append_one


def numbers(reader: Reader) -> list[int]:
    return [e["facts"]["n"] for e in reader.of("event") if e["name"] == "test.happened"]


def waits_for_lock(factory: Factory) -> bool:
    """Return whether somebody waits for a lock in this test's database."""
    with transaction(factory) as session:
        waiting = text(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(session.scalar(waiting))


class TestStream:
    def test_new_events_come_and_earlier_ones_do_not(
        self, watch: Callable[..., Reader], start: Start, append: Callable[..., None]
    ) -> None:
        project = start()
        append(project, 1)
        reader = watch(project)
        wait_for(lambda: bool(reader.of("counts")), 10)
        append(project, 2)
        wait_for(lambda: bool(reader.of("event")), 10)
        assert numbers(reader) == [2]
        assert reader.of("counts")[0]["state"] == "running"

    def test_a_reader_that_resumes_misses_nothing_and_gets_nothing_twice(
        self, watch: Callable[..., Reader], start: Start, append: Callable[..., None]
    ) -> None:
        project = start()
        first = watch(project, after=0, seconds=0)
        assert first.ended.wait(10)
        last = max(at for _, at, _ in first.told if at is not None)
        for n in (1, 2):
            append(project, n)
        second = watch(project, headers={"Last-Event-ID": str(last)})
        append(project, 3)
        wait_for(lambda: 3 in numbers(second), 10)
        assert numbers(second) == [1, 2, 3]
        assert len(second.of("event")) == 3

    def test_nothing_is_lost_where_a_later_event_would_commit_first(
        self, watch: Callable[..., Reader], start: Start, session_factory: Factory
    ) -> None:
        project = start()
        first = watch(project)
        wait_for(lambda: bool(first.of("counts")), 10)

        def append_later() -> None:
            with transaction(session_factory) as session:
                events.append(session, project, "test.happened", {"n": 2})

        later = threading.Thread(target=append_later)
        with session_factory() as slow:
            events.append(slow, project, "test.happened", {"n": 1})
            later.start()
            wait_for(lambda: waits_for_lock(session_factory) or not later.is_alive(), 10)
            resumed = watch(project, after=0)
            wait_for(lambda: bool(resumed.of("counts")), 10)
            last = max(at for _, at, _ in resumed.told if at is not None)
            slow.commit()
        later.join(10)
        again = watch(project, headers={"Last-Event-ID": str(last)})
        for reader in (first, resumed, again):
            wait_for(lambda r=reader: len(numbers(r)) == 2, 10)  # type: ignore[misc]
            assert numbers(reader) == [1, 2]

    def test_a_reader_far_behind_is_told_all(
        self, watch: Callable[..., Reader], start: Start, session_factory: Factory
    ) -> None:
        project = start()
        with transaction(session_factory) as session:
            for n in range(2 * PAGE + 1):
                events.append(session, project, "test.happened", {"n": n})
        reader = watch(project, after=0)
        wait_for(lambda: len(numbers(reader)) > 2 * PAGE, 20)
        with transaction(session_factory) as session:
            for n in range(2 * PAGE + 1, 3 * PAGE + 2):
                events.append(session, project, "test.happened", {"n": n})
        wait_for(lambda: len(numbers(reader)) > 3 * PAGE + 1, 20)
        assert numbers(reader) == list(range(3 * PAGE + 2))

    def test_a_jobs_progress_and_the_projects_counts_are_told_as_they_change(
        self, watch: Callable[..., Reader], text_project: int, session_factory: Factory
    ) -> None:
        with transaction(session_factory) as session:
            session.execute(
                text(
                    "INSERT INTO jobs (project_id, kind, queue, max_attempts) "
                    "VALUES (:p, 'train_target', 'gpu', 3)"
                ).bindparams(p=text_project)
            )
        reader = watch(text_project)
        wait_for(lambda: bool(reader.of("job")), 10)
        with transaction(session_factory) as session:
            session.execute(text("UPDATE jobs SET progress = '{\"epoch\": 3}'"))
            session.execute(text("UPDATE projects SET n_labeled = 7"))
        wait_for(lambda: reader.of("job")[-1]["progress"] == {"epoch": 3}, 10)
        wait_for(lambda: reader.of("counts")[-1]["n_labeled"] == 7, 10)
        assert [at for kind, at, _ in reader.told if kind != "event"] == [None] * len(reader.told)

    def test_another_projects_events_do_not_come(
        self,
        watch: Callable[..., Reader],
        start: Start,
        text_project: int,
        append: Callable[..., None],
    ) -> None:
        project = start()
        readers = [watch(project), watch(text_project)]
        wait_for(lambda: all(reader.of("counts") for reader in readers), 10)
        append(text_project, 1)
        append(project, 2)
        wait_for(lambda: all(map(numbers, readers)), 10)
        assert [numbers(reader) for reader in readers] == [[2], [1]]


class TestLimits:
    def test_too_many_streams_of_one_caller_are_refused(
        self, watch: Callable[..., Reader], text_project: int
    ) -> None:
        readers = [watch(text_project) for _ in range(MOST_OF_CALLER)]
        wait_for(lambda: all(reader.of("counts") for reader in readers), 20)
        assert watch(text_project).status == 429

    @pytest.mark.parametrize("asked", [{"after": -1}, {"seconds": 901}])
    def test_bad_parameters_are_refused(
        self, watch: Callable[..., Reader], text_project: int, asked: dict[str, int]
    ) -> None:
        assert watch(text_project, **asked).status == 422

    def test_without_readers_the_database_is_not_asked(
        self, http: TestClient, text_project: int, token: str
    ) -> None:
        url = f"/api/v1/projects/{text_project}/events/stream"
        with watching(http) as streams:
            answer = http.get(
                url, params={"seconds": 0.2}, headers={"Authorization": f"Bearer {token}"}
            )
            assert "event: counts" in answer.text
            assert not streams.is_asking


@contextmanager
def watching(http: TestClient) -> Iterator[Any]:
    yield http.app.state.event_streams  # type: ignore[attr-defined]


def test_streams_end_whole_when_the_server_stops(
    settings: Any, database_url: str, token: str, text_project: int
) -> None:
    from pydantic import SecretStr  # noqa: PLC0415

    from app.main import create_app  # noqa: PLC0415
    from app.server import make_server  # noqa: PLC0415

    configured = settings.model_copy(update={"database_url": SecretStr(database_url), "port": 0})
    server = make_server(create_app(configured), configured)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started, 30)
    reader = Reader(server.servers[0].sockets[0].getsockname()[1], token, text_project)
    wait_for(lambda: bool(reader.of("counts")), 10)
    server.should_exit = True
    assert reader.ended.wait(4), "httpx would raise if the answer were cut off"
    thread.join(10)
    assert not thread.is_alive()
