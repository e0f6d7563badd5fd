"""Bytes that come slowly, or are stored slowly, hold no transaction and no project's lock."""

import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import Engine, text
from starlette.types import Message, Receive, Scope, Send

from app.api.admission import READING_SHARE
from app.config import Settings
from app.main import create_app
from app.server import make_server
from app.storage.artifacts import ArtifactStore
from tests.app.conftest import png
from tests.app.test_locked_project import Service
from tests.loop import Factory
from tests.support import wait_for

N_UPLOADS = 8
BOUNDARY = "b"
PATIENCE_SECONDS = 60


@dataclass
class Gate:
    """A gate at which requests wait until the test lets them continue."""

    opened: threading.Event = field(default_factory=threading.Event)
    n_waiting: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self) -> None:
        with self._lock:
            self.n_waiting += 1
        assert self.opened.wait(PATIENCE_SECONDS)


class SlowStore(ArtifactStore):
    """Stores nothing before its gate opens."""

    def __init__(self, url: str, gate: Gate) -> None:
        super().__init__(url)
        self.gate = gate

    def _put(self, *args: Any) -> str:
        self.gate.wait()
        return super()._put(*args)


class Watched:
    """An application of which is known how many requests wait for more of their body."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.n_waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        n_messages = 0

        async def counted() -> Message:
            nonlocal n_messages
            self.n_waiting += n_messages > 0
            try:
                return await receive()
            finally:
                self.n_waiting -= n_messages > 0
                n_messages += 1

        await self.app(scope, counted, send)


@dataclass
class Scene:
    """The service on a port, its watched application, and an image and a text project."""

    service: Service
    watched: Watched
    engine: Engine
    images: int
    gate: Gate

    def send(self, method: str, path: str, kind: str, content: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.service.token}", "Content-Type": kind}
        url = f"/api/v1{path}"
        return self.service.http.request(method, url, headers=headers, content=content)

    def upload(self, i: int) -> httpx.Response:
        body = form(f"{i}.png", png(8 + i))
        return self.send("POST", f"/projects/{self.images}/items/upload", FORM, body)

    def check_nothing_is_held(self, project: int) -> None:
        """Nobody stays in a transaction; the project's lock is free, and so are its places."""
        wait_for(lambda: self.service.count("state", "idle in transaction%") == 0, 5)
        with self.engine.begin() as connection:
            # What holds the lock until the bytes come would hold it for longer than this.
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            statement = text("SELECT FROM projects WHERE id = :id FOR UPDATE")
            connection.execute(statement.bindparams(id=project))
        assert self.service.get(f"/projects/{project}").status_code == 200
        for other in (self.service.a, self.service.b):
            assert self.service.poll(other).status_code == 200


FORM = f"multipart/form-data; boundary={BOUNDARY}"


def form(name: str, content: bytes) -> bytes:
    """Return a form with one file."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    )
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def features(n: int) -> bytes:
    """Return a NumPy file with a row for each of n items."""
    buffer = io.BytesIO()
    np.save(buffer, np.ones((n, 4), np.float32))
    return buffer.getvalue()


@pytest.fixture
def scene(
    session_factory: Factory, settings: Settings, database_url: str, engine: Engine
) -> Iterator[Scene]:
    """A real server: an in-process client would hand bodies over whole."""
    given = {
        "database_url": SecretStr(database_url), "sweep_seconds": 3600.0, "port": 0,
        "place_timeout_seconds": PATIENCE_SECONDS, "lock_timeout_seconds": 5.0,
    }  # fmt: skip
    configured = settings.model_copy(update=given)
    app = create_app(configured)
    watched, gate = Watched(app), Gate()
    server = make_server(watched, configured)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started, 30)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS) as http:
            service = Service(app, http, session_factory, settings)
            app.state.store = SlowStore(configured.artifact_store_url, gate)
            yield Scene(service, watched, engine, image_project(service), gate)
    finally:
        gate.opened.set()
        server.should_exit = True
        thread.join()


def image_project(service: Service) -> int:
    project = {
        "name": "images", "modality": "image", "classes": ["a", "b"], "strategy": "uniform",
        "initial_budget": 1, "round_budget": 1, "total_budget": 1,
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {service.token}"}
    created = service.http.post("/api/v1/projects", headers=headers, json=project)
    return int(created.json()["id"])


class TestSlowStore:
    def test_uploads_at_once(self, scene: Scene) -> None:
        with ThreadPoolExecutor(N_UPLOADS) as pool:
            uploads = [pool.submit(scene.upload, i) for i in range(N_UPLOADS)]
            wait_for(lambda: scene.gate.n_waiting == READING_SHARE, 20)
            scene.check_nothing_is_held(scene.images)
            assert not any(upload.done() for upload in uploads)
            scene.gate.opened.set()
            assert [u.result(60).json()["n_created"] for u in uploads] == [1] * N_UPLOADS
        assert scene.service.get(f"/projects/{scene.images}").json()["n_pool"] == N_UPLOADS

    def test_features(self, scene: Scene) -> None:
        project = scene.service.a
        path = f"/projects/{project}/features"
        with ThreadPoolExecutor(N_UPLOADS) as pool:
            puts = [
                pool.submit(scene.send, "PUT", path, "application/octet-stream", features(10))
                for _ in range(N_UPLOADS)
            ]
            wait_for(lambda: scene.gate.n_waiting == READING_SHARE, 20)
            scene.check_nothing_is_held(project)
            assert not any(put.done() for put in puts)
            scene.gate.opened.set()
            assert {put.result(60).status_code for put in puts} == {200}


@contextmanager
def half_sent(
    scene: Scene, method: str, path: str, kind: str, *, body: bytes
) -> Iterator[Callable[[], httpx.Response]]:
    """Send half a body; within, the server waits for the rest. What is yielded sends that."""
    go_on = threading.Event()

    def halves() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        go_on.wait(PATIENCE_SECONDS)
        yield body[len(body) // 2 :]

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(lambda: scene.send(method, path, kind, halves()))
        try:
            wait_for(lambda: scene.watched.n_waiting == 1, 20)

            def finish() -> httpx.Response:
                go_on.set()
                return sending.result(PATIENCE_SECONDS)

            yield finish
        finally:
            go_on.set()


class TestSlowSender:
    """While the rest of a body has not come."""

    @pytest.fixture(autouse=True)
    def stores_at_once(self, scene: Scene) -> None:
        scene.gate.opened.set()

    def test_upload(self, scene: Scene) -> None:
        path = f"/projects/{scene.images}/items/upload"
        sent = half_sent(scene, "POST", path, FORM, body=form("a.png", png()))
        assert self._finished(scene, scene.images, sent).json()["n_created"] == 1

    def test_features(self, scene: Scene) -> None:
        path = f"/projects/{scene.service.a}/features"
        sent = half_sent(scene, "PUT", path, "application/octet-stream", body=features(10))
        assert self._finished(scene, scene.service.a, sent).json()["n"] == 10

    @pytest.mark.parametrize("strict", ["false", "true"])
    def test_import(self, scene: Scene, strict: str) -> None:
        path = f"/projects/{scene.service.a}/items?strict={strict}"
        lines = b"".join(b'{"external_id": "n-%d", "text": "t"}\n' % i for i in range(50))
        sent = half_sent(scene, "POST", path, "application/x-ndjson", body=lines)
        assert self._finished(scene, scene.service.a, sent).json()["n_created"] == 50

    def _finished(
        self,
        scene: Scene,
        project: int,
        sent: AbstractContextManager[Callable[[], httpx.Response]],
    ) -> httpx.Response:
        with sent as finish:
            scene.check_nothing_is_held(project)
            return finish()
