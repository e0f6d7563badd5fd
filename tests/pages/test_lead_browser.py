"""The lead's pages in a real browser: axe, narrow windows, live parts, and a whole project."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.config import Settings
from app.db.session import transaction
from app.db.tables import Role
from app.services.labels import LabelEntry, submit_labels
from app.services.leases import next_batch
from svp_client import Client
from tests.loop import Factory, annotator, give, poll
from tests.pages.browser import NARROW, assert_accessible, assert_fits
from tests.pages.conftest import Browse
from tests.pages.lead import make_project

pytestmark = pytest.mark.slow
SCRIPT = "<script>throw Error('ran')</script>"
ALONE = ("/live", "/progress", "/agreement")  # parts of a page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_fits_a_phone(
    browse: Browse, session_factory: Factory, settings: Settings, scheme: str
) -> None:
    made = make_project(session_factory, settings, SCRIPT)
    page = browse("root", viewport=NARROW, color_scheme=scheme).new_page()
    for path in ["/", "/projects/new", *made.paths()]:
        if path.endswith(ALONE):
            continue
        page.goto(path)
        assert_accessible(page)
        assert_fits(page)
        assert page.locator("main script").count() == 0, path


def test_the_overview_follows_what_happens(browse: Browse, admin: Client, start: Any) -> None:
    project = start(n_items=12, total_budget=10, initial_budget=4, reserve=4)
    page = browse("root").new_page()
    page.goto(f"/projects/{project}")
    expect(page.locator(".tile").first).to_contain_text("0 of 10")
    give(admin, project, poll(admin, project, 3))
    expect(page.locator(".tile").first).to_contain_text("3 of 10")
    admin.pause(project)
    page.get_by_role("button", name="Resume").wait_for()


class TestWholeProject:
    """From files to the delivered model, the lead using pages alone."""

    def test_a_lead_goes_from_files_to_a_delivered_model(
        self, browse: Browse, session_factory: Factory, settings: Settings, tmp_path: Path
    ) -> None:
        page = browse("root", accept_downloads=True).new_page()
        project = self.create(page, tmp_path)
        self.work(session_factory, settings, project)
        page.get_by_role("button", name="Start the project").click()
        page.get_by_text("The project is started").wait_for()
        self.work(session_factory, settings, project)
        self.label(session_factory, settings, project)
        self.adjudicate(page, project)
        self.work(session_factory, settings, project)
        page.goto(f"/projects/{project}")
        page.locator("summary", has_text="Finish now").click()
        page.get_by_role("button", name="Finish now").click()
        page.get_by_text("Labeling has ended").wait_for()
        self.work(session_factory, settings, project)
        page.goto(f"/projects/{project}")
        with page.expect_download() as model:
            page.get_by_role("link", name="download it").click()
        assert model.value.path().stat().st_size > 1000
        page.goto(f"/projects/{project}/exports")
        with page.expect_download() as labels:
            page.get_by_role("button", name="Download").click()
        rows = list(csv.DictReader(labels.value.path().read_text().splitlines()))
        assert len(rows) == 8  # with those that the file labeled
        assert {row["method"] for row in rows} >= {"adjudicated"}

    def create(self, page: Page, folder: Path) -> int:
        file = folder / "reviews.csv"
        lines = [f'r{i},"{("good", "bad")[i % 2]} film, {i}",' for i in range(20)]
        known = [f'e{i},"{("good", "bad")[i % 2]} meal",{("pos", "neg")[i % 2]}' for i in range(4)]
        file.write_text("\n".join(["id,review,mood", *lines, *known]))
        page.goto("/")
        page.get_by_role("button", name="Make the first one").click()
        page.get_by_label("or choose them").set_input_files(file)
        page.get_by_role("button", name="Look at the files").click()
        page.get_by_label("mood").select_option("class")
        page.get_by_role("button", name="Show the items again").click()
        expect(page.get_by_label("Classes, one per line")).to_have_value("neg\npos")
        page.get_by_label("Items to label in all").fill("8")
        page.get_by_label("Items in each round").fill("4")
        page.get_by_label("Annotators for each item").fill("2")
        expect(page.locator("[data-cost]")).to_contain_text("16 labels in 2 rounds")
        assert_accessible(page)
        page.get_by_role("button", name="Create the project").click()
        page.get_by_text("The project is created").wait_for()
        return int(re.findall(r"/projects/(\d+)", page.url)[0])

    def work(self, factory: Factory, settings: Settings, project: int) -> None:
        """Do the waiting job in the worker's place."""
        from tests.projects import do_waiting_job  # noqa: PLC0415 - imports torch

        do_waiting_job(factory, settings, project)

    def label(self, factory: Factory, settings: Settings, project: int) -> None:
        """Let two annotators label all, and disagree about one item."""
        for who, name in enumerate(("ada", "bob")):
            person = annotator(factory, name)
            with transaction(factory) as session:
                items = next_batch(session, project, person, 4, settings).items
                entries = [
                    LabelEntry(x.item.id, ("neg", "pos")[(i + who * (i == 0)) % 2])
                    for i, x in enumerate(sorted(items, key=lambda x: x.item.id))
                ]
                submit_labels(session, project, person, entries, settings)

    def adjudicate(self, page: Page, project: int) -> None:
        page.goto(f"/projects/{project}/items")
        page.get_by_role("link", name="Disagreements").click()
        page.locator(".item-grid a.shown").first.click()
        page.get_by_label(re.compile("Change the label|Decide on the class")).select_option("pos")
        page.get_by_role("button", name=re.compile("^(Change it|Decide)$")).click()
        page.get_by_text("1 decided.").wait_for()
        expect(page.locator(".facts")).to_contain_text("adjudicated")


def test_what_will_be_lost_is_asked_about_once(
    browse: Browse, session_factory: Factory, settings: Settings, admin: Client
) -> None:
    made = make_project(session_factory, settings)
    page = browse("root").new_page()
    page.goto(f"/projects/{made.project}/items?state=labeled&round=0")
    page.get_by_role("button", name="Select all here").click()
    page.get_by_role("button", name="Do it").click()
    page.get_by_text("2 selected. All labels of these items are withdrawn").wait_for()
    assert_accessible(page)
    page.get_by_role("button", name="No, leave them").click()
    assert admin.item_history(made.project, made.item)["item"]["label"] is not None
    page.get_by_role("button", name="Do it").click()
    page.get_by_role("button", name="Yes, do it").click()
    page.get_by_text("2 handed out again.").wait_for()
    assert admin.item_history(made.project, made.item)["item"]["label"] is None


def test_a_reader_sees_all_and_changes_nothing(
    browse: Browse, session_factory: Factory, settings: Settings
) -> None:
    made = make_project(session_factory, settings)
    page = browse("rita", Role.READER, made.project).new_page()
    for path in made.paths():
        if path.endswith((*ALONE, "/settings")):
            continue
        page.goto(path)
        assert page.locator("main form[method=post]").count() == 0, path
