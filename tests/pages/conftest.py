"""The real application on the test's own database behind a real browser."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, BrowserContext
from sqlalchemy.orm import Session, sessionmaker

from app.api.deps import SESSION_COOKIE
from app.config import Settings
from app.db.queries import tokens, web_sessions
from app.db.session import transaction
from app.db.tables import Role
from app.services.web_sessions import begin_session
from tests.app.conftest import (
    admin,
    http,
    images,
    make_client,
    port,
    running,
    start,
    text_project,
)
from tests.pages.browser import WIDE, Complaints, start_browser

__all__ = [
    "admin", "http", "images", "make_client", "port", "running", "start", "text_project",
]  # fmt: skip

SignIn = Callable[..., str]
Browse = Callable[..., BrowserContext]
GetPage = Callable[..., httpx.Response]


@pytest.fixture
def sign_in(session_factory: sessionmaker[Session], settings: Settings) -> SignIn:
    """sign_in(name, role, project_id) -> the secret of that person's new session."""

    def begin(name: str, role: Role = Role.ADMIN, project_id: int | None = None) -> str:
        with transaction(session_factory) as session:
            annotator_id = tokens.annotator_id(session, name)
            web_sessions.grant(session, annotator_id, role, project_id)
            return begin_session(session, annotator_id, settings)

    return begin


@pytest.fixture
def get_page(http: TestClient, sign_in: SignIn) -> GetPage:
    """get_page(path, name, role, project_id, method) -> the answer, as a browser gets it."""

    def get(
        path: str,
        name: str = "root",
        role: Role = Role.ADMIN,
        project_id: int | None = None,
        *,
        method: str = "GET",
        **options: Any,
    ) -> httpx.Response:
        cookie = f"{SESSION_COOKIE}={sign_in(name, role, project_id)}"
        headers = {"Accept": "text/html", "Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
        answer: httpx.Response = http.request(
            method, path, headers=headers, follow_redirects=False, **options
        )
        return answer

    return get


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a file; each test has contexts of its own.

    Its event loop runs in the tests' thread: where it lived on, asyncio.run would fail elsewhere.
    """
    with start_browser() as started:
        yield started


@pytest.fixture
def url(port: int) -> str:
    """Base URL of the test's live server."""
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def browse(browser: Browser, url: str, sign_in: SignIn) -> Iterator[Browse]:
    """browse(name, role, project_id) -> a context of that person; complaints fail the test.

    Without a name nobody is signed in. What the test expects goes to `context.complaints.allowed`.
    """
    contexts: list[tuple[BrowserContext, Complaints]] = []

    def open_context(
        name: str | None = None,
        role: Role = Role.ADMIN,
        project_id: int | None = None,
        **options: object,
    ) -> BrowserContext:
        context = browser.new_context(**{"base_url": url, "viewport": WIDE, **options})  # type: ignore[arg-type]
        context.set_default_timeout(10_000)
        complaints = Complaints(context, url)
        context.complaints = complaints  # type: ignore[attr-defined]
        contexts.append((context, complaints))
        if name is not None:
            secret = sign_in(name, role, project_id)
            context.add_cookies([{"name": SESSION_COOKIE, "value": secret, "url": url}])
        return context

    yield open_context
    for context, _ in contexts:
        context.close()
    for _, complaints in contexts:
        complaints.check()
