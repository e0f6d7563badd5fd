"""Labeling many items at once: by suggestion or as one class, and undo as a whole."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.config import Settings
from app.db.tables import Role
from svp_client import Client
from tests.loop import Factory
from tests.pages.browser import assert_accessible
from tests.pages.conftest import Browse
from tests.pages.projects import start_images, start_texts
from tests.pages.test_label import wait_for_labels
from tests.support import wait_for

pytestmark = pytest.mark.slow
IMAGES = 12


def opened(browse: Browse, project: int, **options: Any) -> Page:
    """Return the page on which ada labels many at once."""
    page = browse("ada", Role.ANNOTATOR, project, **options).new_page()
    page.goto(f"/projects/{project}/label/grid")
    page.locator(".cell").first.wait_for()
    return page


def classes_of(admin: Client, project: int) -> dict[str, str]:
    """Return name of the image -> class."""
    return {row["external_id"]: row["class"] for row in admin.export_labels(project)}


def wait_for_classes(admin: Client, project: int, n: int) -> None:
    """Wait until `n` images have a class."""
    wait_for(lambda: len(classes_of(admin, project)) == n, 15)


def test_by_suggestion_with_the_wrong_ones_marked_and_undone_as_a_whole(
    browse: Browse, admin: Client, session_factory: Factory, settings: Settings
) -> None:
    project = start_images(session_factory, settings, IMAGES)
    page = opened(browse, project)
    expect(page.locator(".cell")).to_have_count(IMAGES // 2)
    assert_accessible(page)
    first = page.locator("#submit bdi").inner_text()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    marked = page.locator(".cell[aria-pressed=true] img")
    wrong = (marked.get_attribute("alt") or "").removeprefix("Item ")
    expect(page.locator("#submit")).to_contain_text(f"5 as {first}, leave 1")
    assert_accessible(page)
    page.keyboard.press("Enter")
    expect(page.locator("#submit bdi")).not_to_have_text(first)
    wait_for_classes(admin, project, 5)
    found = classes_of(admin, project)
    assert set(found.values()) == {first}
    assert wrong not in found
    page.keyboard.press("Backspace")
    wait_for_classes(admin, project, 0)
    expect(page.locator("#submit bdi")).to_be_visible()
    for _ in range(2):
        page.keyboard.press("Enter")
        page.wait_for_timeout(400)
    wait_for_classes(admin, project, 11)
    assert wrong not in classes_of(admin, project)
    page.get_by_role("link", name="One at a time").click()
    page.locator("#work").wait_for()
    assert page.locator("#frame img").get_attribute("alt") == f"Item {wrong}"


def test_all_texts_as_one_class_where_nothing_is_suggested(
    browse: Browse, admin: Client, session_factory: Factory, settings: Settings
) -> None:
    texts = [f"text {i}" for i in range(6)]
    project = start_texts(session_factory, settings, texts, has_suggestions=False)
    page = browse("ada", Role.ANNOTATOR, project).new_page()
    page.goto(f"/projects/{project}/label/grid")
    page.get_by_text("Nothing is suggested for these items").wait_for()
    page.get_by_label("Show").select_option("all items, as good")
    page.locator(".cell").filter(has_text="text 3").click()
    page.get_by_role("button", name="5 as good, leave 1").click()
    found = wait_for_labels(admin, project, 5)
    assert found == {text: "good" for text in texts if text != "text 3"}
