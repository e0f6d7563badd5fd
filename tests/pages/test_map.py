"""The map in a browser, with the points that a worker has drawn."""

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.session import transaction
from app.services.maps import create_map
from tests.pages.browser import NARROW, assert_accessible, assert_fits
from tests.pages.conftest import Browse
from tests.projects import TINY, ServedProject

pytestmark = pytest.mark.slow
N, N_LABELED = 30, 6
# Colours of the pixels that are drawn, apart from see-through edges.
COLOURS = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] > 200) seen.add(`${data[i]} ${data[i + 1]} ${data[i + 2]}`);
  }
  return seen.size;
}"""


@pytest.fixture
def project(session_factory: sessionmaker[Session], settings: Settings) -> int:
    """A text project in round 1 whose map is drawn."""
    served = ServedProject(session_factory, settings, TINY["text"], reserve=0)
    served.add(range(N))
    served.start()
    served.do_job()
    served.label(N_LABELED)
    served.do_job()
    with transaction(session_factory) as session:
        create_map(session, served.id, settings)
    served.do_job()
    return served.id


def opened(browse: Browse, project: int, **options: object) -> Page:
    """Return the page with its points drawn."""
    page = browse("root", **options).new_page()
    page.goto(f"/projects/{project}/map")
    expect(page.locator("[data-legend] li").first).to_be_visible()
    return page


def legend(page: Page) -> list[str]:
    """Return the words of the legend."""
    return page.locator("[data-legend] li").all_inner_texts()


def test_each_colouring_has_its_legend_and_draws_in_its_colours(
    browse: Browse, project: int
) -> None:
    page = opened(browse, project)
    canvas = page.locator("[data-canvas]")
    assert legend(page) == ["a", "b", "no label"]
    assert canvas.evaluate(COLOURS) >= 3
    assert_accessible(page)
    for by, words in {
        "state": ["labeled", "open", "skipped", "unlabeled"],
        "score": [r"lowest, -?[\d.e-]+", r"highest, -?[\d.e-]+", "never selected"],
        "round": ["lowest, 0", "highest, 1", "never selected"],
    }.items():
        page.get_by_label("Coloured by").select_option(by)
        shown = legend(page)
        assert len(shown) == len(words)
        assert all(re.fullmatch(w, s) for w, s in zip(words, shown, strict=True)), shown
        assert canvas.evaluate(COLOURS) >= 2
        assert_accessible(page)


def test_a_lasso_becomes_a_filter_of_items(browse: Browse, project: int) -> None:
    page = opened(browse, project, viewport={"width": 1280, "height": 1500})
    box = page.locator("[data-canvas]").bounding_box()
    assert box is not None
    corners = [(3, 3), (box["width"] - 3, 3), (box["width"] - 3, box["height"] - 3)]
    page.mouse.move(box["x"] + 3, box["y"] + box["height"] - 3)
    page.mouse.down()
    for x, y in corners:
        page.mouse.move(box["x"] + x, box["y"] + y, steps=5)
    page.mouse.up()
    expect(page.locator("[data-picked]")).to_have_text(f"{N} items")
    assert_accessible(page)
    page.get_by_role("button", name="List these items").click()
    expect(page.locator(".item-grid a.shown")).to_have_count(N)
    page.get_by_text("Items in a part of the map").wait_for()
    page.go_back()
    expect(page.locator("[data-legend] li").first).to_be_visible()


def test_it_is_used_by_keyboard_alone(browse: Browse, project: int) -> None:
    page = opened(browse, project)
    page.locator("[data-canvas]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-picked]")).to_have_text(f"{N} items")
    for key in ("+", "+", "+", "ArrowLeft", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("[data-picked]")).not_to_have_text(f"{N} items")
    for _ in range(3):
        page.keyboard.press("-")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("[data-picked]")).to_have_text(f"{N} items")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browse: Browse, project: int, scheme: str) -> None:
    page = opened(browse, project, viewport=NARROW, color_scheme=scheme)
    assert_accessible(page)
    assert_fits(page)
