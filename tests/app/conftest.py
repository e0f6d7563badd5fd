"""The real application on the test's own database, and projects to try it on."""

import io
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from pydantic import SecretStr
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from app.db.tables import Role
from app.main import create_app
from app.server import make_server
from app.services.tokens import create_token
from svp_client import Client, Retries
from tests.app.items import PROJECT
from tests.app.team import Team
from tests.loop import import_texts, publish_in_order, start_labeling
from tests.support import wait_for

MakeClient = Callable[..., Client]
Start = Callable[..., int]


@pytest.fixture(autouse=True)
def plain_tracebacks() -> Iterator[None]:
    """Log without rich's tracebacks, which take minutes to show what a request holds."""
    structlog.configure(
        processors=[
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ]
    )
    yield
    structlog.reset_defaults()


@pytest.fixture
def http(settings: Settings, database_url: str) -> Iterator[TestClient]:
    """The application behind an in-process HTTP client."""
    configured = settings.model_copy(update={"database_url": SecretStr(database_url)})
    app = _app(configured.root_path, configured.cors_origins)
    app.state.settings = configured
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@cache
def _app(root_path: str, cors_origins: tuple[str, ...]) -> FastAPI:
    """Return an application that reads its other settings when it starts; to build one is slow."""
    nowhere = SecretStr("postgresql:///unused")
    return create_app(
        Settings(database_url=nowhere, root_path=root_path, cors_origins=cors_origins)
    )


@pytest.fixture
def port(settings: Settings, database_url: str) -> Iterator[int]:
    """Port of a real server on the test's database."""
    configured = settings.model_copy(
        update={"database_url": SecretStr(database_url), "port": 0, "image_roots": ("/tmp/none",)}  # noqa: S108
    )
    server = make_server(create_app(configured), configured)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started, 30)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


@pytest.fixture
def make_client(http: TestClient, session_factory: sessionmaker[Session]) -> MakeClient:
    """Clients with a token of their own: make_client(name, role=..., act_as=...)."""

    def make(
        name: str, role: Role = Role.ANNOTATOR, *, project_id: int | None = None, **rights: Any
    ) -> Client:
        with transaction(session_factory) as session:
            token, _ = create_token(session, name, role, project_id=project_id, **rights)
        return Client("http://testserver", token, retries=Retries(n=0), http=http)

    return make


@pytest.fixture
def admin(make_client: MakeClient) -> Client:
    """A client with an admin's token."""
    return make_client("root", Role.ADMIN)


@pytest.fixture
def text_project(admin: Client) -> int:
    """A draft of 40 texts in the pool, with a strategy that needs no model."""
    project = admin.create_project(
        name="texts",
        modality="text",
        classes=["neg", "pos"],
        strategy="uniform",
        initial_budget=4,
        round_budget=4,
        total_budget=12,
        reserve=4,
    )["id"]
    admin.import_items(project, ({"external_id": f"t-{i}", "text": f"text {i}"} for i in range(40)))
    return int(project)


@pytest.fixture
def start(session_factory: sessionmaker[Session], settings: Settings) -> Callable[..., int]:
    """start(**settings) -> a project in round 0, published in index order."""

    def start(n_gold: int = 0, **given: Any) -> int:
        project = start_labeling(session_factory, settings, "p", **given)
        with transaction(session_factory) as session:
            names = [f"gold-{i}" for i in range(n_gold)]
            import_texts(session, settings, project, names, class_name="a")
        return project

    return start


@pytest.fixture
def promises(session_factory: sessionmaker[Session]) -> Iterator[None]:
    """After each test the database keeps every promise."""
    yield
    with transaction(session_factory) as session:
        assert list(find_violations(session)) == []


@pytest.fixture
def people(make_client: MakeClient) -> list[Client]:
    """Four annotators: ada, bob, eve, ivy."""
    return [make_client(name) for name in ("ada", "bob", "eve", "ivy")]


@pytest.fixture
def images(admin: Client) -> int:
    """A draft of images, without items."""
    return int(admin.create_project(name="images", **PROJECT)["id"])


@pytest.fixture
def running(
    admin: Client, text_project: int, session_factory: sessionmaker[Session], settings: Settings
) -> int:
    """A running project whose round 0 is being labeled."""
    admin.start(text_project)
    publish_in_order(session_factory, settings, text_project, 40)
    return text_project


@pytest.fixture
def team(session_factory: sessionmaker[Session], settings: Settings) -> Iterator[Team]:
    """The database keeps every promise, whatever the team does."""
    yield Team(session_factory, settings)
    with transaction(session_factory) as session:
        assert list(find_violations(session)) == []


def change_settings(http: TestClient, **changes: Any) -> None:
    """Give the running application other values of these settings."""
    state = http.app.state  # type: ignore[attr-defined]
    state.settings = state.settings.model_copy(update=changes)


def bearer(client: Client) -> dict[str, str]:
    """Return the headers of a client's requests."""
    return {"Authorization": f"Bearer {client.token}"}


def png(width: int = 8, height: int = 8, mode: str = "L") -> bytes:
    """Return a small PNG."""
    buffer = io.BytesIO()
    Image.new(mode, (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def fail_at_commit(engine: Engine, table: str) -> None:
    """Let every transaction that inserts into the table fail when it commits, not before."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'at commit'; END $$"
            )
        )
        connection.execute(
            text(
                f"CREATE CONSTRAINT TRIGGER late AFTER INSERT ON {table} "
                "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()"
            )
        )
