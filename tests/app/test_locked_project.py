"""A project that is locked, or whose images come slowly, holds up nobody else."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import Engine, text

from app.api.admission import DATABASE_SHARE, READING_SHARE
from app.api.deps import SessionDep
from app.config import Settings
from app.db.session import Timeouts, make_engine, transaction
from app.db.tables import Role
from app.main import create_app
from app.services import jobs
from app.services.leases import next_batch
from app.services.tokens import create_token
from tests.app.conftest import png
from tests.loop import Factory, annotator, expire_leases, start_labeling
from tests.support import wait_for

N_POLLERS = 20


class Service:
    """The application with two projects, and raw requests to it."""

    def __init__(self, app: FastAPI, http: httpx.Client, factory: Factory, settings: Settings):
        self.app, self.http, self.factory = app, http, factory
        with transaction(factory) as session:
            self.token, _ = create_token(session, "root", Role.ADMIN, act_as=True, project_id=None)
        self.a = start_labeling(factory, settings, "a")
        self.b = start_labeling(factory, settings, "b")

    def get(self, path: str, token: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        answer: httpx.Response = self.http.get(f"/api/v1{path}", headers=headers)
        return answer

    def poll(self, project: int, who: str = "ada") -> httpx.Response:
        return self.get(f"/projects/{project}/next-batch?annotator={who}")

    def count(self, column: str, like: str) -> int:
        """Return how many connections of the test's database are of this kind."""
        statement = text(
            "SELECT count(*) FROM pg_stat_activity a "
            "WHERE datname = current_database() AND to_jsonb(a)->>:column LIKE :pattern"
        )
        with transaction(self.factory) as session:
            n = session.scalar(statement.bindparams(column=column, pattern=like))
        return int(n or 0)


@pytest.fixture
def serve(
    session_factory: Factory, settings: Settings, database_url: str
) -> Iterator[Callable[..., Service]]:
    """Starts the application with settings of its own."""
    clients: list[TestClient] = []

    def start(**given: Any) -> Service:
        values = {"database_url": SecretStr(database_url), "sweep_seconds": 3600.0, **given}
        app = create_app(settings.model_copy(update=values))
        client = TestClient(app, raise_server_exceptions=False)
        client.__enter__()
        clients.append(client)
        return Service(app, client, session_factory, settings)

    yield start
    for client in clients:
        client.__exit__(None, None, None)


@contextmanager
def locked(engine: Engine, project: int) -> Iterator[None]:
    """Hold the project's row, as by hand."""
    with engine.begin() as connection:
        statement = text("SELECT FROM projects WHERE id = :id FOR UPDATE")
        connection.execute(statement.bindparams(id=project))
        yield


class TestLock:
    def test_other_projects_and_wrong_tokens_are_answered_while_pollers_wait(
        self, serve: Callable[..., Service], engine: Engine
    ) -> None:
        service = serve(lock_timeout_seconds=60, place_timeout_seconds=60)
        with ThreadPoolExecutor(N_POLLERS) as pool:
            with locked(engine, service.a):
                polls = [pool.submit(service.poll, service.a, f"x{i}") for i in range(N_POLLERS)]
                wait_for(lambda: service.count("wait_event_type", "Lock") == DATABASE_SHARE, 20)
                assert len(service.poll(service.b).json()["items"]) > 0
                assert service.get(f"/projects/{service.a}", "svp_wrong").status_code == 401
                ready = service.http.get("/api/v1/health/ready").json()
                assert "requests wait" not in ready.get("detail", "")
                assert not any(poll.done() for poll in polls)
            assert {poll.result(20).status_code for poll in polls} == {200}

    def test_a_number_written_in_other_ways_gives_a_project_no_larger_share(
        self, serve: Callable[..., Service], engine: Engine
    ) -> None:
        service = serve(lock_timeout_seconds=60, place_timeout_seconds=60)
        ways = [f"{zeros}{service.a}" for zeros in ("", "0", "00", "%2B")] + [f"{service.a}.0"]
        with ThreadPoolExecutor(N_POLLERS) as pool:
            with locked(engine, service.a):
                polls = [
                    pool.submit(service.get, f"/projects/{way}/next-batch?annotator=ada")
                    for way in ways * 4
                ]
                wait_for(lambda: service.count("wait_event_type", "Lock") >= DATABASE_SHARE, 20)
                assert len(service.poll(service.b).json()["items"]) > 0
                assert service.count("wait_event_type", "Lock") == DATABASE_SHARE
            assert {poll.result(20).status_code for poll in polls} == {200}

    def test_an_annotator_who_is_new_in_both_projects_waits_in_neither_for_the_other(
        self, serve: Callable[..., Service], engine: Engine
    ) -> None:
        service = serve(lock_timeout_seconds=60)
        with ThreadPoolExecutor(1) as pool:
            with locked(engine, service.a):
                poll = pool.submit(service.poll, service.a, "new")
                wait_for(lambda: service.count("wait_event_type", "Lock") == 1, 20)
                assert service.poll(service.b, "new").status_code == 200
                assert not poll.done()
            assert poll.result(20).status_code == 200

    def test_nor_does_an_adjudicator_whom_the_locked_project_names(
        self, serve: Callable[..., Service], engine: Engine
    ) -> None:
        service = serve(lock_timeout_seconds=8)

        def name() -> httpx.Response:
            headers = {"Authorization": f"Bearer {service.token}"}
            path = f"/api/v1/projects/{service.a}/annotation"
            return service.http.patch(path, headers=headers, json={"adjudicators": ["new"]})

        with ThreadPoolExecutor(1) as pool:
            with locked(engine, service.a):
                change = pool.submit(name)
                wait_for(lambda: service.count("wait_event_type", "Lock") == 1, 20)
                assert service.poll(service.b, "new").status_code == 200
                assert not change.done()
            assert change.result(20).status_code == 200

    def test_who_waits_too_long_is_told_when_to_come_again(
        self, serve: Callable[..., Service], engine: Engine
    ) -> None:
        service = serve(lock_timeout_seconds=0.05)
        with locked(engine, service.a):
            answer = service.poll(service.a)
        assert (answer.status_code, answer.json()["code"]) == (503, "service_busy")
        assert answer.headers["Retry-After"] == "5"
        assert service.poll(service.b).status_code == 200

    def test_a_sweep_repairs_the_others(
        self, serve: Callable[..., Service], engine: Engine, settings: Settings
    ) -> None:
        service = serve()
        ada = annotator(service.factory, "ada")
        for project in (service.a, service.b):
            with transaction(service.factory) as session:
                next_batch(session, project, ada, 1, settings)
            expire_leases(service.factory, project)
        with locked(engine, service.a):
            assert jobs.sweep(service.factory, settings).freed_leases == 1
        assert jobs.sweep(service.factory, settings).freed_leases == 1


class TestTimeouts:
    def test_a_statement_that_takes_too_long_is_answered_with_503(
        self, serve: Callable[..., Service]
    ) -> None:
        service = serve(statement_timeout_seconds=0.05)

        def slow(session: SessionDep) -> None:
            session.execute(text("SELECT pg_sleep(60)"))

        service.app.add_api_route("/api/v1/slow", slow)
        answer = service.get("/slow")
        assert (answer.status_code, answer.json()["code"]) == (503, "service_busy")
        assert answer.headers["Retry-After"] == "5"

    def test_a_transaction_that_idles_is_ended_and_answered_with_503(
        self, serve: Callable[..., Service], engine: Engine
    ) -> None:
        service = serve(idle_transaction_seconds=0.05)
        alive = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")

        def idle(session: SessionDep) -> None:
            pid = session.scalar(text("SELECT pg_backend_pid()"))
            watching = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            with watching:
                wait_for(lambda: watching.scalar(alive.bindparams(pid=pid)) == 0, 20)
            session.execute(text("SELECT 1"))

        service.app.add_api_route("/api/v1/idle", idle)
        answer = service.get("/idle")
        assert (answer.status_code, answer.json()["code"]) == (503, "service_busy")

    def test_options_of_the_url_stay_and_win(self, database_url: str) -> None:
        mark = "&" if "?" in database_url else "?"
        given = "options=-c%20lock_timeout%3D77%20-c%20application_name%3Dmine"
        pooled = make_engine(f"{database_url}{mark}{given}", timeouts=Timeouts(1, 2, 3))
        with pooled.connect() as connection:
            shown = [
                connection.scalar(text(f"SHOW {name}"))
                for name in ("lock_timeout", "statement_timeout", "application_name")
            ]
        assert shown == ["77ms", "2s", "mine"]
        pooled.dispose()

    def test_every_connection_has_them(self, engine: Engine) -> None:
        with engine.connect() as connection:
            for name in (
                "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"
            ):  # fmt: skip
                assert connection.scalar(text(f"SHOW {name}")) != "0"


@contextmanager
def slow_host() -> Iterator[tuple[str, list[str], threading.Event]]:
    """Yield (host:port, paths asked for, event that lets it answer); the first file comes at once.

    The first answer is for the import, which reads the image as well.
    """
    asked: list[str] = []
    answers = threading.Event()

    class Host(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if len(asked) > 1:
                answers.wait(60)
            body = png()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Host)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", asked, answers
    finally:
        answers.set()
        server.shutdown()
        thread.join()
        server.server_close()


class TestSlowImages:
    def test_reading_them_holds_no_transaction_and_no_place(
        self, serve: Callable[..., Service]
    ) -> None:
        with slow_host() as (host, asked, answers), ThreadPoolExecutor(N_POLLERS) as pool:
            service = serve(image_hosts=(host,), place_timeout_seconds=60)
            project, item = self._image_project(service, host)
            path = f"/projects/{project}/items/{item}/image"
            images: list[Future[httpx.Response]] = [
                pool.submit(service.get, path) for _ in range(N_POLLERS)
            ]
            wait_for(lambda: len(asked) == 1 + READING_SHARE, 20)
            assert service.count("state", "idle in transaction%") == 0
            assert service.poll(service.b).status_code == 200
            assert service.get(f"/projects/{project}").status_code == 200
            assert service.get(path, "svp_wrong").status_code == 401
            assert not any(image.done() for image in images)
            answers.set()
            assert {image.result(60).status_code for image in images} == {200}

    def _image_project(self, service: Service, host: str) -> tuple[int, int]:
        headers = {"Authorization": f"Bearer {service.token}"}
        created = service.http.post(
            "/api/v1/projects",
            headers=headers,
            json={
                "name": "images", "modality": "image", "classes": ["a", "b"],
                "strategy": "uniform", "initial_budget": 1, "round_budget": 1, "total_budget": 1,
            },
        )  # fmt: skip
        project = created.json()["id"]
        line = f'{{"external_id": "i", "image_uri": "http://{host}/i.png"}}\n'
        imported = service.http.post(
            f"/api/v1/projects/{project}/items",
            headers={**headers, "Content-Type": "application/x-ndjson"},
            content=line,
        )
        assert imported.json()["n_created"] == 1
        return project, service.get(f"/projects/{project}/items").json()["items"][0]["item_id"]
