"""Pictures of every page, from a project that a worker has brought to its end.

    SVP_PICTURES=docs/pictures python -m pytest tests/pages/test_pictures.py

writes those of the documentation; without the variable they go to the test's own folder.
"""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from app.config import Settings
from tests.pages.browser import Complaints
from tests.pages.pictures import NAMES, WINDOW, is_blank, prepare, take_all
from workers.service.stack import Stack

pytestmark = pytest.mark.slow
DOCS = Path(__file__).parents[2] / "docs"


def test_every_page_has_a_picture_that_shows_something(browser: Browser, tmp_path: Path) -> None:
    folder = Path(os.environ.get("SVP_PICTURES", tmp_path / "pictures"))
    settings = Settings(data_folder=tmp_path / "data", port=0, worker_threads=1)
    with Stack(settings) as stack:
        finished, own = prepare(stack)
        context = browser.new_context(viewport=WINDOW)
        context.set_default_timeout(30_000)
        complaints = Complaints(context, stack.url)
        take_all(context.new_page(), stack, finished, own, folder)
        context.close()
    complaints.check()
    assert {path.stem for path in folder.glob("*.png")} >= set(NAMES)
    assert [name for name in NAMES if is_blank(folder / f"{name}.png")] == []


def test_the_documentation_shows_each_of_them() -> None:
    assert {path.stem for path in (DOCS / "pictures").glob("*.png")} == set(NAMES)
