"""Answers while network or service is away: kept, counted, sent once, and refusals shown."""

import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from pydantic import SecretStr
from sqlalchemy import select, update

from app.config import Settings
from app.db.session import transaction
from app.db.tables import Label, WebSession
from app.main import create_app
from app.server import BoundedServer, make_server
from svp_client import Client
from tests.app.conftest import MakeClient
from tests.loop import Factory, expire_leases
from tests.pages.conftest import Browse
from tests.pages.projects import start_texts
from tests.pages.test_label import label_with, opened, wait_for_labels
from tests.support import wait_for
from workers.service.ports import free_port

pytestmark = pytest.mark.slow
AWAY = ["net::ERR", "Failed to load resource"]  # the browser's own words


class Service:
    """A live server that can be stopped and started again on its port."""

    def __init__(self, settings: Settings) -> None:
        self.port = free_port()
        self.settings = settings.model_copy(update={"port": self.port})
        self._server: BoundedServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        server = self._server = make_server(create_app(self.settings), self.settings)
        self._thread = threading.Thread(target=server.run)
        self._thread.start()
        wait_for(lambda: server.started, 30)

    def stop(self) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture
def service(settings: Settings, database_url: str) -> Iterator[Service]:
    configured = settings.model_copy(update={"database_url": SecretStr(database_url)})
    started = Service(configured)
    started.start()
    yield started
    started.stop()


@pytest.fixture
def port(service: Service) -> int:
    """Port of that server: `browse` opens its pages."""
    return service.port


@pytest.fixture
def project(session_factory: Factory, settings: Settings) -> int:
    """Twenty texts that are being labeled."""
    return start_texts(session_factory, settings, [f"text {i}" for i in range(20)])


def n_rows(factory: Factory, project: int) -> int:
    """Return how many labels of the project the database holds, withdrawn ones included."""
    with transaction(factory) as session:
        return len(session.scalars(select(Label.id).where(Label.project_id == project)).all())


def expects_absence(page: Page) -> None:
    page.context.complaints.allowed = AWAY  # type: ignore[attr-defined]


def test_offline_answers_wait_are_counted_and_are_sent_once_when_the_network_is_back(
    browse: Browse, admin: Client, session_factory: Factory, project: int
) -> None:
    page = opened(browse, project)
    expects_absence(page)
    wanted = {label_with(page, "1"): "bad" for _ in range(2)}
    wait_for_labels(admin, project, 2)
    page.context.set_offline(True)
    wanted |= {label_with(page, "2"): "good" for _ in range(5)}
    wrong = label_with(page, "1")
    page.keyboard.press("Backspace")
    expect(page.locator("#text")).to_have_text(wrong)
    wanted[label_with(page, "2")] = "good"
    expect(page.locator("#banner")).to_contain_text("6 answers wait on this device")
    page.context.set_offline(False)
    assert wait_for_labels(admin, project, 8) == wanted
    expect(page.locator("#banner")).to_be_hidden()
    assert n_rows(session_factory, project) == 8


def test_labeling_goes_on_while_the_service_restarts_and_over_a_closed_page(
    browse: Browse, service: Service, session_factory: Factory, admin: Client, project: int
) -> None:
    page = opened(browse, project)
    expects_absence(page)
    wanted = {label_with(page, "1"): "bad" for _ in range(2)}
    service.stop()
    wanted |= {label_with(page, "2"): "good" for _ in range(6)}
    expect(page.locator("#banner")).to_contain_text("The service does not answer")
    service.start()
    wanted |= {label_with(page, "1"): "bad" for _ in range(3)}
    assert wait_for_labels(admin, project, 11) == wanted
    service.stop()
    last = label_with(page, "2")
    context = page.context
    page.close()
    service.start()
    again = context.new_page()
    again.goto(f"/projects/{project}/label")
    assert wait_for_labels(admin, project, 12) == {**wanted, last: "good"}
    assert n_rows(session_factory, project) == 12


def test_a_refused_answer_is_shown_with_its_reason_until_it_was_read(
    browse: Browse,
    make_client: MakeClient,
    session_factory: Factory,
    admin: Client,
    project: int,
) -> None:
    page = opened(browse, project)
    expects_absence(page)
    page.context.set_offline(True)
    text = label_with(page, "1")
    expire_leases(session_factory, project)
    bob = make_client("bob")
    items = {i["content"]["text"]: i["item_id"] for i in bob.next_batch(project, 20)["items"]}
    bob.submit_labels(project, [{"item_id": items[text], "class": "good"}])
    page.context.set_offline(False)
    expect(page.locator("#refused summary")).to_have_text("1 answer was refused")
    page.locator("#refused summary").click()
    expect(page.locator("#refused li")).to_contain_text("has all the labels it needs")
    page.get_by_role("button", name="I have read this").click()
    expect(page.locator("#refused")).to_be_hidden()
    assert wait_for_labels(admin, project, 1) == {text: "good"}


def test_who_is_signed_out_keeps_their_answers_until_they_sign_in_again(
    browse: Browse, session_factory: Factory, admin: Client, project: int
) -> None:
    page = opened(browse, project)
    expects_absence(page)

    def set_revoked(when: object) -> None:
        with transaction(session_factory) as session:
            session.execute(update(WebSession).values(revoked_at=when))

    set_revoked(WebSession.created_at)
    text = label_with(page, "2")
    expect(page.locator("#banner")).to_contain_text("1 answer waits on this device; sign in again")
    page.locator("#banner a").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    set_revoked(None)
    page.goto(f"/projects/{project}/label")
    assert wait_for_labels(admin, project, 1) == {text: "good"}


def test_leases_are_renewed_while_the_page_is_used(
    browse: Browse, make_client: MakeClient, service: Service, admin: Client, project: int
) -> None:
    service.stop()
    service.settings = service.settings.model_copy(update={"annotation_lease_seconds": 4.0})
    service.start()
    page = opened(browse, project)
    bob = make_client("bob")
    for _ in range(8):
        page.wait_for_timeout(1000)
        page.keyboard.press("ArrowDown")
    assert len(bob.next_batch(project, 20)["items"]) == 8  # the other twelve are still held
    label_with(page, "1")
    assert Counter(wait_for_labels(admin, project, 1).values()) == {"bad": 1}
