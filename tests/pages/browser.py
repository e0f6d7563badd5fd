"""A real browser whose pages fail the test when they complain, or ask another host."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from tests.support import require

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
WIDE: ViewportSize = {"width": 1280, "height": 800}
NARROW: ViewportSize = {"width": 360, "height": 740}


@contextmanager
def start_browser() -> Iterator[Browser]:
    """Yield a Chromium; the test is skipped where none is installed."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    require(program is not None, "Chromium is not installed")
    with sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()


class Complaints:
    """What the pages of one browser context complained about, and whom they asked elsewhere.

    Attributes:
        allowed: parts of messages that the test expects, e.g. while the service is away.
    """

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.allowed: list[str] = []
        self._found: list[str] = []
        self._host = urlsplit(url).netloc
        context.on("console", lambda message: self._note(message.type, message.text))
        context.on("weberror", lambda error: self._note("error", f"thrown: {error.error}"))
        context.on("request", lambda request: self._check_host(request.url))

    def _note(self, kind: str, text: str) -> None:
        if kind == "error":
            self._found.append(text)

    def _check_host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.netloc != self._host:
            self._found.append(f"asked another host: {url}")

    def check(self) -> None:
        """Fail if there is one that the test does not expect."""
        unexpected = [f for f in self._found if not any(words in f for words in self.allowed)]
        assert not unexpected, unexpected


def assert_accessible(page: Page) -> None:
    """Fail if axe-core finds anything on the page as it is now."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def assert_fits(page: Page) -> None:
    """Fail if the page is wider than the window, so that it scrolls sideways."""
    wide, shown = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide <= shown, f"{wide} pixels wide, {shown} are shown"
