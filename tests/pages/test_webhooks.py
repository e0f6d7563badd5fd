"""Webhooks in the browser's forms: added on the settings page, tested, switched, deleted."""

import html
import re

import pytest

from svp_client import Client
from tests.pages.conftest import Browse, GetPage
from tests.pages.test_lead import Post, post

__all__ = ["post"]

URL = "https://example.org/events"
SCRIPT = "<script>throw Error('ran')</script>"


def add(post: Post, project: int, **fields: str) -> str:
    answer = post(f"/projects/{project}/webhooks", url=URL, **fields)
    assert answer.status_code == 200
    return answer.text


def test_the_secret_is_shown_on_the_answer_alone(
    post: Post, get_page: GetPage, admin: Client, text_project: int
) -> None:
    page = add(post, text_project, events="item.*, round.*", description=SCRIPT)
    assert re.search(r'value="whsec_[\w+/=]+"', page)
    (made,) = admin.webhooks(text_project)
    assert made["events"] == ["item.*", "round.*"]
    page = get_page(f"/projects/{text_project}/settings").text
    assert "whsec_" not in page
    assert URL in page
    assert SCRIPT not in page
    assert html.escape(SCRIPT, quote=False).replace("'", "&#39;") in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": "http://10.0.0.1/"}, "SVP_WEBHOOK_HOSTS"),
        ({"url": URL, "events": "item.eaten"}, "There is no event"),
        ({"url": URL, "events": " "}, "Name the events"),
    ],
)
def test_what_is_wrong_is_said(
    post: Post, admin: Client, text_project: int, fields: dict[str, str], words: str
) -> None:
    answer = post(f"/projects/{text_project}/webhooks", **fields)
    assert answer.status_code == 422
    assert words in answer.text
    assert admin.webhooks(text_project) == []


def test_its_page_tests_switches_replays_and_deletes(
    post: Post, get_page: GetPage, admin: Client, text_project: int
) -> None:
    add(post, text_project)
    (made,) = admin.webhooks(text_project)
    path = f"/projects/{text_project}/webhooks/{made['id']}"
    assert post(f"{path}/test").status_code == 303
    assert "webhook.test" in get_page(path).text
    answer = post(f"{path}/secret")
    assert answer.status_code == 200
    assert "whsec_" in answer.text
    again = get_page(path).text
    assert "whsec_" not in again
    assert "by the former secret, too" in again
    post(f"{path}/switch")
    assert "Disabled: a lead has disabled it" in get_page(path).text
    post(f"{path}/switch")
    assert "dead messages again" in get_page(path).text
    post(f"{path}/replay")
    assert admin.webhook(text_project, made["id"])["n_dead"] == 0
    assert post(f"{path}/delete").headers["location"] == f"/projects/{text_project}/settings"
    assert get_page(path).status_code == 404


def test_both_pages_work_in_a_browser(browse: Browse, admin: Client, text_project: int) -> None:
    from tests.pages.browser import assert_accessible  # noqa: PLC0415

    page = browse("root").new_page()
    page.goto(f"/projects/{text_project}/settings")
    page.get_by_label("Address", exact=True).fill(URL)
    page.get_by_role("button", name="Add a webhook").click()
    assert page.locator("#secret").input_value().startswith("whsec_")
    assert_accessible(page)
    page.get_by_role("link", name=URL).click()
    page.get_by_role("button", name="Send a test").click()
    assert_accessible(page)
    page.get_by_text("Delete", exact=True).click()
    page.get_by_role("button", name="Delete the webhook").click()
    page.wait_for_url("**/settings")
    assert admin.webhooks(text_project) == []
