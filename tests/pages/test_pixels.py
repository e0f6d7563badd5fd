"""Images on every page: small ones enlarged as the pixels that they are, others smooth."""

import pytest
from playwright.sync_api import Page, ViewportSize

from app.config import Settings
from tests.loop import Factory
from tests.pages.browser import NARROW, WIDE
from tests.pages.conftest import Browse
from tests.pages.projects import start_images

pytestmark = pytest.mark.slow
READ = """image => ({ side: Math.min(image.clientWidth, image.clientHeight),
                      rendering: getComputedStyle(image).imageRendering })"""
PLACES = {
    "/items": ".item-grid img",
    "/items?view=list": "td img",
    "/rounds/0": "td img",
    "/label": "#frame img",
    "/label/grid": ".cell img",
}  # fmt: skip


def rendered(page: Page, address: str, place: str) -> tuple[int, str]:
    """Return the shorter side and the rendering of the first image there."""
    page.goto(address)
    if address.endswith("/grid"):
        page.get_by_label("Show").select_option(index=1)
    image = page.locator(place).first
    image.wait_for()
    page.wait_for_function("image => image.naturalWidth > 0", arg=image.element_handle())
    found = image.evaluate(READ)
    return found["side"], found["rendering"]


@pytest.mark.parametrize(
    ("side", "rendering", "window"), [(8, "pixelated", NARROW), (None, "auto", WIDE)]
)
def test_small_images_are_shown_large_and_crisp(
    browse: Browse,
    session_factory: Factory,
    settings: Settings,
    side: int | None,
    rendering: str,
    window: ViewportSize,
) -> None:
    project = start_images(session_factory, settings, 2, side=side)
    page = browse("root", viewport=window).new_page()
    base = f"/projects/{project}"
    for path, place in PLACES.items():
        shown, how = rendered(page, f"{base}{path}", place)
        assert shown >= 40, path
        assert how == rendering, path
    page.goto(f"{base}/items")
    item = page.locator(".item-grid a.shown").first.get_attribute("href") or ""
    shown, how = rendered(page, item, ".large-picture")
    assert shown >= 200
    assert how == rendering
