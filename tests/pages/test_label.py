"""Labeling one item at a time in a browser: by keyboard, with undo, skips and comments."""

import re
from collections import Counter
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.config import Settings
from app.db.tables import Role
from svp_client import Client
from tests.loop import Factory, publish_in_order
from tests.pages.browser import NARROW, assert_accessible, assert_fits
from tests.pages.conftest import Browse
from tests.pages.projects import start_images, start_texts
from tests.support import wait_for

pytestmark = pytest.mark.slow
SECONDS = 15


@pytest.fixture
def project(session_factory: Factory, settings: Settings) -> int:
    """Twelve texts; the proxy suggests bad and good in turn."""
    return start_texts(session_factory, settings, [f"text {i}" for i in range(12)])


def opened(browse: Browse, project: int, **options: Any) -> Page:
    """Return the page on which ada labels, with its first item."""
    page = browse("ada", Role.ANNOTATOR, project, **options).new_page()
    page.goto(f"/projects/{project}/label")
    page.locator("#work").wait_for()
    return page


def shown(page: Page) -> str:
    """Return the text on the page."""
    return page.locator("#text").inner_text()


def labels_of(admin: Client, project: int) -> dict[str, str]:
    """Return text -> class of the labels in the database."""
    return {str(row["text"]): row["class"] for row in admin.export_labels(project)}


def wait_for_labels(admin: Client, project: int, n: int) -> dict[str, str]:
    """Return the labels once there are `n`."""
    wait_for(lambda: len(labels_of(admin, project)) == n, SECONDS)
    return labels_of(admin, project)


def label_with(page: Page, key: str) -> str:
    """Press a key on the item that is shown; return its text once another one is shown."""
    text = shown(page)
    page.keyboard.press(key)
    if page.locator("#work").is_visible():
        expect(page.locator("#text")).not_to_have_text(text)
    return text


class TestByKeyboard:
    def test_a_whole_project_is_labeled_and_each_label_is_the_key_that_was_pressed(
        self, browse: Browse, admin: Client, project: int
    ) -> None:
        page = opened(browse, project)
        wanted = {label_with(page, key): key for key in "121221112122"}
        expect(page.locator(".waiting-title")).to_have_text(re.compile("final model|All labels"))
        found = wait_for_labels(admin, project, 12)
        assert found == {text: {"1": "bad", "2": "good"}[key] for text, key in wanted.items()}
        assert all(row["n_labels"] == 12 for row in admin.annotators(project))

    def test_enter_takes_the_suggestion_and_held_keys_label_once(
        self, browse: Browse, admin: Client, project: int
    ) -> None:
        page = opened(browse, project)
        text = label_with(page, "Enter")
        page.keyboard.down("1")
        for _ in range(5):
            page.keyboard.down("1")  # as a keyboard repeats a held key
        page.keyboard.up("1")
        found = wait_for_labels(admin, project, 2)
        assert found[text] == ("bad", "good")[int(text.split()[1]) % 2]
        page.wait_for_timeout(300)
        assert len(labels_of(admin, project)) == 2

    def test_classes_that_are_called_by_a_key_have_that_key(
        self, browse: Browse, admin: Client, session_factory: Factory, settings: Settings
    ) -> None:
        texts = [f"text {i}" for i in range(3)]
        project = start_texts(session_factory, settings, texts, classes=("0", "1", "2"))
        page = opened(browse, project)
        wanted = {label_with(page, key): key for key in "012"}
        assert wait_for_labels(admin, project, 3) == wanted

    def test_more_than_ten_classes_have_letters_and_a_filter(
        self, browse: Browse, admin: Client, session_factory: Factory, settings: Settings
    ) -> None:
        classes = [f"class {c}" for c in "abcdefghijklm"]
        project = start_texts(session_factory, settings, [f"t {i}" for i in range(4)], classes)
        page = opened(browse, project)
        wanted = {label_with(page, "0"): "class j", label_with(page, "b"): "class l"}
        text = shown(page)
        page.keyboard.press("/")
        page.keyboard.type("CLASS M")
        expect(page.locator(".class:visible")).to_have_count(1)
        page.keyboard.press("Enter")
        expect(page.locator(".class:visible")).to_have_count(13)
        assert wait_for_labels(admin, project, 3) == {**wanted, text: "class m"}

    def test_the_dialogs_are_used_by_keyboard_alone(
        self, browse: Browse, admin: Client, project: int
    ) -> None:
        page = opened(browse, project)
        page.keyboard.press("?")
        page.get_by_role("heading", name="Keys").wait_for()
        assert_accessible(page)
        page.keyboard.press("Escape")
        page.keyboard.press("Shift+F")
        page.keyboard.type("1 and 2 <b>both</b> fit")
        assert_accessible(page)
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        wait_for(lambda: len(list(admin.flags(project))) == 1, SECONDS)
        assert next(iter(admin.flags(project)))["comment"] == "1 and 2 <b>both</b> fit"
        text = shown(page)
        page.keyboard.press("Shift+S")
        assert_accessible(page)
        page.keyboard.press("4")
        expect(page.locator("#text")).not_to_have_text(text)
        wait_for(lambda: admin.project(project)["n_skipped"] == 1, SECONDS)
        assert labels_of(admin, project) == {}


class TestClasses:
    def test_hints_are_shown_and_a_class_that_was_retired_meanwhile_leaves_the_page(
        self, browse: Browse, admin: Client, session_factory: Factory, settings: Settings
    ) -> None:
        classes = ["bad", "good", "odd"]
        project = start_texts(session_factory, settings, ["a", "b", "c"], classes)
        admin.change_classes(project, kind="describe", name="bad", hint="Somebody complains")
        page = opened(browse, project)
        page.get_by_role("button", name="bad Somebody complains").wait_for()
        admin.change_classes(project, kind="retire", name="odd")
        label_with(page, "3")
        expect(page.locator("#refused summary")).to_have_text("1 answer was refused")
        expect(page.locator(".class")).to_have_count(2)
        text = label_with(page, "1")
        assert wait_for_labels(admin, project, 1) == {text: "bad"}


class TestUndo:
    def test_ten_answers_are_undone_one_after_the_other_also_after_a_reload(
        self, browse: Browse, admin: Client, project: int
    ) -> None:
        page = opened(browse, project)
        given = [label_with(page, "1") for _ in range(11)]
        wait_for_labels(admin, project, 11)
        page.reload()
        page.locator("#work").wait_for()
        for text in reversed(given):
            page.keyboard.press("Backspace")
            expect(page.locator("#text")).to_have_text(text)
        wait_for_labels(admin, project, 0)
        label_with(page, "2")
        assert wait_for_labels(admin, project, 1) == {given[0]: "good"}

    def test_a_skip_is_undone_while_it_waits(
        self, browse: Browse, admin: Client, project: int
    ) -> None:
        page = opened(browse, project)
        text = shown(page)
        page.keyboard.press("Shift+S")
        page.keyboard.press("1")
        expect(page.locator("#text")).not_to_have_text(text)
        page.keyboard.press("Backspace")
        expect(page.locator("#text")).to_have_text(text)
        page.keyboard.press("2")
        assert wait_for_labels(admin, project, 1) == {text: "good"}
        assert admin.project(project)["n_skipped"] == 0


class TestGoingOn:
    def test_the_next_batch_comes_by_itself(
        self, browse: Browse, admin: Client, session_factory: Factory, settings: Settings
    ) -> None:
        texts = [f"text {i}" for i in range(6)]
        budgets: dict[str, Any] = {"initial_budget": 3, "round_budget": 3, "total_budget": 6}
        project = start_texts(session_factory, settings, texts, **budgets)
        page = opened(browse, project)
        for _ in range(3):
            label_with(page, "1")
        title = page.locator(".waiting-title")
        expect(title).to_have_text("The next batch is being chosen")
        expect(page.locator(".waiting-seconds")).to_have_text(re.compile("Next batch in a"))
        assert_accessible(page)
        publish_in_order(session_factory, settings, project, 6)
        page.locator("#work").wait_for()
        for _ in range(3):
            label_with(page, "2")
        wait_for(lambda: admin.project(project)["n_labeled"] == 6, SECONDS)

    def test_leaving_gives_the_items_back_at_once(
        self, browse: Browse, admin: Client, project: int
    ) -> None:
        page = opened(browse, project)
        label_with(page, "1")
        page.goto(f"/projects/{project}")
        wait_for(lambda: len(admin.next_batch(project, 12)["items"]) == 11, SECONDS)

    def test_the_back_button_leads_back_and_labeling_goes_on(
        self, browse: Browse, admin: Client, project: int
    ) -> None:
        page = opened(browse, project)
        label_with(page, "1")
        page.goto("/")
        page.go_back()
        page.locator("#work").wait_for()
        page.wait_for_timeout(2000)  # the page checks what it still holds
        label_with(page, "2")
        assert Counter(wait_for_labels(admin, project, 2).values()) == {"bad": 1, "good": 1}

    def test_two_tabs_of_one_person_show_different_items(
        self, browse: Browse, admin: Client, project: int
    ) -> None:
        first = opened(browse, project)
        second = first.context.new_page()
        second.goto(f"/projects/{project}/label")
        second.locator("#waiting").wait_for()  # the first tab holds all twelve
        seen = [label_with(first, "1") for _ in range(4)]
        first.close()
        second.locator("#work").wait_for(timeout=20_000)
        seen += [label_with(second, "2") for _ in range(8)]
        assert len(set(seen)) == 12
        found = wait_for_labels(admin, project, 12)
        assert Counter(found.values()) == {"bad": 4, "good": 8}


class TestLooks:
    @pytest.mark.parametrize(("modality", "scheme"), [("text", "dark"), ("image", "light")])
    def test_accessible_on_a_phone_without_scrolling_sideways(
        self,
        browse: Browse,
        session_factory: Factory,
        settings: Settings,
        scheme: str,
        modality: str,
    ) -> None:
        if modality == "text":
            project = start_texts(session_factory, settings, ["A long text. " * 400] * 2)
        else:
            project = start_images(session_factory, settings, 2)
        page = opened(browse, project, viewport=NARROW, color_scheme=scheme)
        assert_accessible(page)
        assert_fits(page)
        page.goto(f"/projects/{project}/label/grid")
        page.locator("#work").wait_for()
        assert_accessible(page)
        assert_fits(page)

    def test_an_image_is_zoomed_moved_turned_and_lit_by_keys(
        self, browse: Browse, session_factory: Factory, settings: Settings
    ) -> None:
        page = opened(browse, start_images(session_factory, settings, 2))
        for key in ("+", "ArrowLeft", "Shift+R", "]", "}"):
            page.keyboard.press(key)
        style = page.locator("#frame img").get_attribute("style") or ""
        assert re.search(r"translate\(60px.*rotate\(90deg\) scale", style)
        assert "contrast(115%) brightness(115%)" in style
        page.keyboard.press("Shift+W")
        assert "rotate(0deg) scale(1)" in (page.locator("#frame img").get_attribute("style") or "")

    def test_a_long_text_scrolls_by_key_and_keeps_its_white_space(
        self, browse: Browse, session_factory: Factory, settings: Settings
    ) -> None:
        text = "  indented\n\n\tand then\n" + "more words " * 2000
        page = opened(browse, start_texts(session_factory, settings, [text, "שלום"]))
        if "indented" not in shown(page):
            assert page.locator("#text").evaluate("e => getComputedStyle(e).direction") == "rtl"
            label_with(page, "1")
        assert page.locator("#text").text_content() == text
        page.keyboard.press("Space")
        page.wait_for_function("document.getElementById('text').scrollTop > 100")


def test_names_and_texts_that_are_markup_are_shown_as_text(
    browse: Browse, admin: Client, session_factory: Factory, settings: Settings
) -> None:
    evil = '"><img src=x onerror="throw Error()"><script>throw Error()</script>'
    classes = [f"{evil} {i}" for i in range(2)]
    project = start_texts(session_factory, settings, [evil, f"{evil} 2"], classes, name=evil)
    page = opened(browse, project)
    assert evil in shown(page)
    for path in ("label", "label/grid"):
        page.goto(f"/projects/{project}/{path}")
        page.locator("#work").wait_for()
        page.wait_for_timeout(300)
        assert page.locator("main img, main script").count() == 0
        assert_accessible(page)
    page.goto(f"/projects/{project}/label")
    page.locator("#work").wait_for()
    text = label_with(page, "2")
    assert wait_for_labels(admin, project, 1) == {text: classes[1]}
