"""A whole project through the pages alone: a lead and two annotators, each in a browser."""

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from app.config import Settings
from models.predictor import load
from tests.pages.browser import WIDE, Complaints, assert_accessible
from tests.support import wait_for
from workers.service.stack import Stack

pytestmark = pytest.mark.slow
MINUTE_MS = 60_000
GOOD = ("warm bread", "a kind waiter", "fresh fish", "a lovely garden", "quick service")
BAD = ("cold soup", "a rude waiter", "stale bread", "a dirty table", "slow service")
N_ITEMS, N_GOLD = 24, 4
TOTAL, ROUND = 12, 6
KEYS = {"bad": "1", "good": "2"}

Open = Callable[[], BrowserContext]


def review(number: int) -> tuple[str, str]:
    """Return a review and its class."""
    name = ("bad", "good")[number % 2]
    words = (BAD, GOOD)[number % 2]
    found = f"{words[number % 5]} and {words[(number // 5 + 1) % 5]}"
    return f"Visit {number}: {found}.", name


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Postgres, API and worker, as `svp up` starts them."""
    folder = tmp_path_factory.mktemp("up") / "data"
    with Stack(Settings(data_folder=folder, port=0, worker_threads=1)) as started:
        yield started


@pytest.fixture
def open_browser(browser: Browser, stack: Stack) -> Iterator[Open]:
    """open_browser() -> a browser in which nobody is signed in; complaints fail the test."""
    opened: list[tuple[BrowserContext, Complaints]] = []

    def begin() -> BrowserContext:
        context = browser.new_context(base_url=stack.url, viewport=WIDE, accept_downloads=True)
        context.set_default_timeout(MINUTE_MS)
        complaints = Complaints(context, stack.url)
        context.complaints = complaints  # type: ignore[attr-defined]
        opened.append((context, complaints))
        return context

    yield begin
    for context, _ in opened:
        context.close()
    for _, complaints in opened:
        complaints.check()


def drop(page: Page, name: str, content: str) -> None:
    """Drop a file as from the desktop."""
    dropped = page.evaluate_handle(
        "([name, content]) => { const d = new DataTransfer(); "
        "d.items.add(new File([content], name, { type: 'text/csv' })); return d; }",
        [name, content],
    )
    page.dispatch_event("[data-drop]", "drop", {"dataTransfer": dropped})


class Lead:
    """Who signs in by the link that `svp up` prints, and leads the project."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.path = ""

    def sign_in(self, link: str) -> None:
        self.page.goto(link)
        self.page.get_by_role("button", name="Sign in here").click()
        self.page.get_by_role("button", name="Make the first one").click()

    def create(self) -> None:
        """Drop two files, look at them, and let the wizard make the project."""
        page = self.page
        lines = [f'v{i},"{review(i)[0]}",' for i in range(N_ITEMS)]
        known = [f'g{i},"{review(100 + i)[0]}",{review(100 + i)[1]}' for i in range(N_GOLD)]
        drop(page, "visits.csv", "\n".join(["id,review,mood", *lines, *known]))
        expect(page.locator("[data-names]")).to_contain_text("visits.csv")
        page.get_by_role("button", name="Look at the files").click()
        page.get_by_label("mood").select_option("class")
        page.get_by_role("button", name="Show the items again").click()
        expect(page.get_by_label("Classes, one per line")).to_have_value("bad\ngood")
        page.get_by_label("Name of the project").fill("Visits")
        page.get_by_label("Items to label in all").fill(str(TOTAL))
        page.get_by_label("Items in each round").fill(str(ROUND))
        page.get_by_label("Annotators for each item").fill("2")
        page.get_by_label("Gold items, %").fill("25")
        page.locator("[name=proxy]").select_option("tfidf")
        page.locator("[name=target]").select_option("tfidf")
        page.get_by_role("button", name="Create the project").click()
        page.get_by_text("The project is created").wait_for()
        self.path = re.sub(r"^\w+://[^/]+", "", page.url)

    def start(self) -> None:
        """Start as soon as the files are imported: the page says so by itself."""
        self.page.get_by_role("button", name="Start the project").click()
        self.page.get_by_role("button", name="Label items").wait_for()

    def make_gold(self) -> None:
        """Make all items gold that the file labeled."""
        self.page.goto(f"{self.path}/items?state=labeled")
        self.page.get_by_role("button", name="Select all here").click()
        self.page.get_by_label("What to do").select_option("make_gold")
        self.page.get_by_role("button", name="Do it").click()
        self.page.get_by_text(f"{N_GOLD} made gold.").wait_for()

    def invite(self) -> str:
        """Return a link by which one annotator joins."""
        self.page.goto(f"{self.path}/people")
        self.page.get_by_role("button", name="Make a link").click()
        return self.page.locator("#link").input_value()

    def adjudicate(self) -> str:
        """Decide on the one item that the annotators disagree about; return its text."""
        page = self.page
        page.goto(f"{self.path}/items")
        page.get_by_role("link", name="Disagreements").click()
        expect(page.locator(".item-grid li")).to_have_count(1)
        page.locator(".item-grid a.shown").click()
        text = page.locator(".item-text").inner_text()
        page.get_by_label(re.compile("Change the label|Decide on")).select_option(truth(text))
        page.get_by_role("button", name=re.compile("^(Change it|Decide)$")).click()
        page.get_by_text("1 decided.").wait_for()
        return text

    def finish(self) -> None:
        """End labeling; the page says by itself when the target is trained."""
        self.page.goto(self.path)
        self.page.locator("summary", has_text="Finish now").click()
        self.page.get_by_role("button", name="Finish now").click()
        self.page.get_by_text("The target is ready").wait_for()

    def download(self) -> tuple[Path, list[dict[str, str]]]:
        """Return the target's file and the exported labels."""
        with self.page.expect_download() as model:
            self.page.get_by_role("link", name="download it").click()
        self.page.goto(f"{self.path}/exports")
        with self.page.expect_download() as labels:
            self.page.get_by_role("button", name="Download").click()
        lines = Path(labels.value.path()).read_text().splitlines()
        return Path(model.value.path()), list(csv.DictReader(lines))


def truth(text: str) -> str:
    """Return the class of a review."""
    return ("bad", "good")[int(re.findall(r"Visit (\d+)", text)[0]) % 2]


class Annotator:
    """Who joins by a link and labels by the keyboard alone.

    Attributes:
        given: text -> class, of all that was shown, gold included.
    """

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name
        self.given: dict[str, str] = {}

    def join(self, link: str) -> None:
        self.page.goto(link)
        self.page.keyboard.type(self.name)  # the field has the focus
        self.page.keyboard.press("Enter")
        self.page.get_by_text("Welcome to the project.").wait_for()
        label = self.page.get_by_role("button", name="Label items")
        for _ in range(30):
            if label.evaluate("e => e === document.activeElement"):
                break
            self.page.keyboard.press("Tab")
        self.page.keyboard.press("Enter")
        self.page.wait_for_url("**/label")

    def has_item(self) -> bool:
        """Return whether an item is shown."""
        return self.page.locator("#work").is_visible()

    def answer(self, wrong: str = "") -> str:
        """Give the shown item its class, or the other if its text is `wrong`; return its text."""
        text = self.page.locator("#text").inner_text()
        name = truth(text)
        if text == wrong:
            name = {"good": "bad", "bad": "good"}[name]
        self.given[text] = name
        self.page.keyboard.press(KEYS[name])
        wait_for(lambda: not self.has_item() or self.page.locator("#text").inner_text() != text, 30)
        return text


def label_beside(ada: Annotator, bob: Annotator, n: int) -> None:
    """Let both answer `n` items in turns; about ada's first one bob is wrong."""
    while min(len(ada.given), len(bob.given)) < n:
        for person in (ada, bob):
            if len(person.given) >= n:
                continue
            person.page.locator("#work").wait_for()  # the next batch comes by itself
            mistaken = next((t for t in ada.given if "Visit 10" not in t), "")
            person.answer(mistaken if person is bob else "")


def test_from_the_printed_link_to_the_downloads_with_two_annotators_by_keyboard(
    stack: Stack, open_browser: Open
) -> None:
    lead = Lead(open_browser().new_page())
    lead.sign_in(stack.create_sign_in_link())
    lead.create()
    lead.start()
    lead.make_gold()
    people: list[Annotator] = []
    for name in ("Ada", "Bob"):
        link = lead.invite()
        people.append(Annotator(open_browser().new_page(), name))
        people[-1].join(link)
    ada, bob = people
    label_beside(ada, bob, ROUND + 4)
    assert_accessible(ada.page)
    lead.page.goto(f"{lead.path}/annotators")
    for name in ("Ada", "Bob"):
        row = lead.page.locator("tr", has_text=name).first
        expect(row).to_contain_text("100")  # percent right on gold
    disputed = lead.adjudicate()
    lead.finish()
    ada.page.context.complaints.allowed = ["409"]  # type: ignore[attr-defined]
    del ada.given[ada.answer()]  # an item of before: too late, and the page says so
    expect(ada.page.locator("#refused summary")).to_have_text("1 answer was refused")
    expect(ada.page.locator(".waiting-title")).to_have_text("The project is finished")
    lead.page.goto(f"{lead.path}/jobs")
    lead.page.get_by_role("link", name=re.compile(r"^Job \d")).first.click()
    expect(lead.page.get_by_role("region", name="Log")).to_contain_text("job.started")
    lead.page.goto(lead.path)
    model, rows = lead.download()
    check_labels(rows, ada, bob, disputed)
    predicted = load(model)([row["text"] for row in rows]).classes
    n_right = sum(row["class"] == name for row, name in zip(rows, predicted, strict=True))
    assert n_right / len(rows) > 0.8, "the downloaded model has learned the labels"


def check_labels(rows: list[dict[str, Any]], ada: Annotator, bob: Annotator, disputed: str) -> None:
    """The exported labels are those that the annotators gave and the lead decided."""
    found = {row["text"]: row for row in rows}
    both = set(ada.given) & set(bob.given)
    of_pool = {text for text in both if "Visit 10" not in text}
    assert {text for text in of_pool if ada.given[text] != bob.given[text]} == {disputed}
    assert of_pool <= set(found)
    assert all(row["class"] == truth(text) for text, row in found.items())
    assert found[disputed]["method"] == "adjudicated"
    assert {row["method"] for row in rows} >= {"majority", "imported", "adjudicated"}
