"""Pages below a path behind a proxy, and pages whose texts run from right to left."""

import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from pydantic import SecretStr

from app.config import Settings
from app.db.session import transaction
from app.main import create_app
from app.server import make_server
from app.services.web_sessions import create_admin_link
from svp_client import Client
from tests.loop import Factory
from tests.pages.browser import NARROW, WIDE, Complaints, assert_accessible, assert_fits
from tests.pages.conftest import Browse
from tests.pages.lead import make_project
from tests.pages.prefix_proxy import PrefixProxy, serve_below
from tests.pages.projects import start_texts
from tests.pages.test_label import label_with, wait_for_labels
from tests.support import wait_for
from workers.service.ports import free_port

pytestmark = pytest.mark.slow
HEBREW = "שלום עולם"
PARTS = ("/live", "/progress", "/agreement")
# Elements whose own text is Hebrew, and that run from left to right.
WRONG_WAY = """() => [...document.querySelectorAll("body *")].filter((e) => {
  const own = [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.textContent).join("");
  return /^[\\s“]*[\\u0590-\\u05ff]/.test(own) && e.checkVisibility() && e.tagName !== "OPTION"
    && getComputedStyle(e).direction !== "rtl";
}).map((e) => e.outerHTML.slice(0, 200))"""


@pytest.fixture
def proxy(settings: Settings, database_url: str) -> Iterator[PrefixProxy]:
    """The service behind a proxy that serves it at /tools/svp."""
    configured = settings.model_copy(
        update={
            "database_url": SecretStr(database_url),
            "root_path": "/tools/svp",
            "port": free_port(),
        }
    )
    server = make_server(create_app(configured), configured)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started, 30)
    with serve_below("/tools/svp", configured.port) as found:
        yield found
    server.should_exit = True
    thread.join()


def test_below_a_path_every_page_works_and_nothing_asks_outside_of_it(
    browser: Browser,
    proxy: PrefixProxy,
    session_factory: Factory,
    settings: Settings,
    admin: Client,
) -> None:
    made = make_project(session_factory, settings)
    labeling = start_texts(session_factory, settings, [f"text {i}" for i in range(6)], name="q")
    with transaction(session_factory) as session:
        code = create_admin_link(session)
    context = browser.new_context(viewport=WIDE)
    context.set_default_timeout(15_000)
    complaints = Complaints(context, proxy.url)
    page = context.new_page()
    page.goto(f"{proxy.url}/sign-in?code={code}")
    page.get_by_role("button", name="Sign in here").click()
    page.get_by_role("link", name="q", exact=True).click()
    page.get_by_role("button", name="Label items").click()
    page.locator("#work").wait_for()
    given = [label_with(page, key) for key in "12"]
    assert set(wait_for_labels(admin, labeling, 2)) == set(given)
    for path in made.paths():
        if not path.endswith(PARTS):
            page.goto(f"{proxy.url}{path}")
    page.goto(f"{proxy.url}/projects/{made.project}")
    admin.pause(made.project)  # the page hears of it through the proxy
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Pause", exact=True).wait_for()
    page.locator(".user-menu summary").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_text("You are signed out.").wait_for()
    context.close()
    complaints.check()
    assert proxy.astray == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_names_and_texts_from_right_to_left_run_so_on_every_page(
    browse: Browse, session_factory: Factory, settings: Settings, scheme: str
) -> None:
    made = make_project(session_factory, settings, HEBREW)
    page = browse("root", viewport=NARROW, color_scheme=scheme).new_page()
    for path in ["/", *made.paths()]:
        if path.endswith(PARTS):
            continue
        page.goto(path)
        wrong = page.evaluate(WRONG_WAY)
        assert wrong == [], f"{path}: {wrong}"
        assert_fits(page)
        assert_accessible(page)


def test_texts_from_right_to_left_are_labeled(
    browse: Browse, session_factory: Factory, settings: Settings, admin: Client
) -> None:
    texts = [f"{HEBREW} {i}" for i in range(3)]
    project = start_texts(session_factory, settings, texts, ("רע", "טוב"), name=HEBREW)
    page = browse("root", viewport=NARROW).new_page()
    page.goto(f"/projects/{project}/label")
    page.locator("#work").wait_for()
    assert page.evaluate(WRONG_WAY) == []
    expect(page.locator("#text")).to_have_css("direction", "rtl")
    assert_fits(page)
    assert_accessible(page)
    text = label_with(page, "2")
    assert wait_for_labels(admin, project, 1) == {text: "טוב"}
    page.goto(f"/projects/{project}/label/grid")
    page.locator(".cell").first.wait_for()
    assert page.evaluate(WRONG_WAY) == []
    assert_fits(page)
