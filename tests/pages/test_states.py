"""Pages in states that a project goes through, in a browser: axe, narrow windows, the keyboard."""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from app.config import Settings
from svp_client import Client
from tests.loop import Factory
from tests.pages.browser import NARROW, assert_accessible, assert_fits
from tests.pages.conftest import Browse
from tests.pages.lead import PAGES, make_project

pytestmark = pytest.mark.slow
PARTS = ("/live", "/progress", "/agreement")  # of a page
MOST_TABS = 60


@pytest.fixture(params=["light", "dark"])
def phone(browse: Browse, request: pytest.FixtureRequest) -> BrowserContext:
    """An admin's browser on a phone, with each colour scheme."""
    return browse("root", viewport=NARROW, color_scheme=request.param)


def check(page: Page, path: str) -> None:
    page.goto(path)
    assert_accessible(page)
    assert_fits(page)


def test_pages_of_a_project_without_anything(
    phone: BrowserContext, admin: Client, text_project: int
) -> None:
    empty = admin.copy_project(text_project, "empty")["id"]
    page = phone.new_page()
    for path in PAGES:
        if "{" not in path and "/0" not in path and "/1" not in path and not path.endswith(PARTS):
            check(page, f"/projects/{empty}{path}")


def test_pages_of_an_archived_project(
    phone: BrowserContext, session_factory: Factory, settings: Settings, admin: Client
) -> None:
    made = make_project(session_factory, settings)
    admin.pause(made.project)
    admin.archive(made.project)
    page = phone.new_page()
    for path in made.paths():
        if not path.endswith(PARTS):
            check(page, path)
    check(page, "/?archived=true")


def test_pages_that_say_what_went_wrong(phone: BrowserContext) -> None:
    phone.complaints.allowed += ["status of 404", "status of 422"]  # type: ignore[attr-defined]
    page = phone.new_page()
    for path in ("/projects/4711", "/no-such-page", "/projects/x"):
        check(page, path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_role("link", name="To the projects")).to_be_visible()


def test_a_lead_renames_pauses_and_invites_by_keyboard_alone(
    browse: Browse, session_factory: Factory, settings: Settings, admin: Client
) -> None:
    made = make_project(session_factory, settings)
    page = browse("root").new_page()
    page.goto(f"/projects/{made.project}")
    reach(page, "button", "Pause")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Resume").wait_for()
    reach(page, "a", "People")
    page.keyboard.press("Enter")
    page.wait_for_url("**/people")
    reach(page, "button", "Make a link")
    page.keyboard.press("Enter")
    expect(page.locator("#link")).to_have_value(re.compile("/join"))
    reach(page, "a", "Settings")
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings")
    reach(page, "input", "", name="name")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("By keyboard")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Settings").wait_for()
    assert admin.project(made.project)["name"] == "By keyboard"


def reach(page: Page, tag: str, words: str, name: str = "") -> None:
    """Press Tab until an element has the focus; each one on the way shows that it has it."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        found, text, called, is_seen = page.evaluate(
            """() => {
                const one = document.activeElement, style = getComputedStyle(one);
                const ring = style.outlineStyle !== "none" || style.boxShadow !== "none";
                return [one.localName, one.innerText ?? "", one.name ?? "", ring];
            }"""
        )
        assert is_seen, f"the focus on {found} {text!r} cannot be seen"
        if found == tag and words in text and (not name or called == name):
            return
    raise AssertionError(f"no {tag} {words!r} within {MOST_TABS} presses of Tab")
