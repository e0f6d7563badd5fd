"""Takes the pictures of the pages that README and docs show, from a running demo.

    svp demo --keep                       # in another terminal; wait for its link
    python -m tests.pages.screenshots LINK

Signs in by the link, labels the first round of "Yours to label" but one item, and writes
docs/pictures/*.png.
"""

import sys
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, ViewportSize

from tests.pages.browser import start_browser
from workers.simulation.own_labeling import NAME

OUT = Path(__file__).parents[2] / "docs" / "pictures"
WINDOW: ViewportSize = {"width": 1200, "height": 760}
PAUSE_MS = 1500  # curves and pictures are drawn after the page is there
PAGES = ("models", "items", "rounds", "jobs", "exports", "settings", "people")


def sign_in(page: Page, link: str) -> str:
    """Use the link; return the service's base URL."""
    page.goto(link)
    page.locator("main form button").first.click()
    page.wait_for_load_state("networkidle")
    address = urlsplit(link)
    return f"{address.scheme}://{address.netloc}"


def shoot(page: Page, name: str) -> None:
    """Write what the window shows."""
    page.wait_for_timeout(PAUSE_MS)
    page.screenshot(path=OUT / f"{name}.png")


def project_address(page: Page, base: str, name: str) -> str:
    """Return the address of the first project whose name begins so."""
    page.goto(base)
    found = page.locator("main table a", has_text=name).first.get_attribute("href")
    assert found is not None
    return f"{base}{found}"


def main() -> None:
    """Take all pictures."""
    OUT.mkdir(parents=True, exist_ok=True)
    with start_browser() as browser:
        page = browser.new_page(viewport=WINDOW)
        base = sign_in(page, sys.argv[1])
        own = project_address(page, base, NAME)
        page.goto(f"{own}/label")
        page.wait_for_timeout(PAUSE_MS)
        for key in "3141592":
            page.keyboard.press(key)
            page.wait_for_timeout(200)
        shoot(page, "label")
        page.goto(f"{own}/label/grid")
        page.locator("main select").first.select_option(index=1)
        shoot(page, "label-many")
        page.goto(base)
        shoot(page, "projects")
        page.goto(f"{base}/projects/new")
        shoot(page, "new-project")
        finished = project_address(page, base, "digits-proxy")
        page.goto(finished)
        shoot(page, "overview")
        for name in PAGES:
            page.goto(f"{finished}/{name}")
            shoot(page, name)
        page.goto(f"{finished}/models")
        page.locator("main table a").first.click()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=OUT / "model.png", full_page=True)


if __name__ == "__main__":
    main()
