"""Label Studio on the settings page: connected, hurried, disconnected, and what is refused."""

import html

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from svp_client import Client
from tests.app.conftest import change_settings
from tests.app.label_studio.conftest import MakeBridge, fake, make_bridge
from tests.label_studio.bridge import Bridge
from tests.label_studio.fake import LEGACY, Fake
from tests.loop import Factory, start_labeling
from tests.pages.conftest import Browse, GetPage
from tests.pages.test_lead import Post, post

__all__ = ["fake", "make_bridge", "post"]


@pytest.fixture
def allowed(http: TestClient, make_bridge: MakeBridge, fake: Fake) -> Bridge:
    change_settings(http, label_studio_hosts=(fake.url.removeprefix("http://"),))
    return make_bridge(connected=False)


def test_its_forms_connect_hurry_and_disconnect(
    post: Post, get_page: GetPage, admin: Client, allowed: Bridge, fake: Fake
) -> None:
    path = f"/projects/{allowed.project}"
    answer = post(f"{path}/label-studio", url=fake.url, token=LEGACY, round_end="keep")
    assert answer.headers["location"] == f"{path}/settings#label-studio"
    allowed.sync()
    fake.delete_task(allowed.task(1))
    allowed.sync()
    page = get_page(f"{path}/settings").text
    assert f"{fake.url}, project 1" in page
    assert "are kept as reserve" in page
    assert "Push deleted tasks again" in page
    assert LEGACY not in page
    assert post(f"{path}/label-studio/sync", again="true").status_code == 303
    assert admin.label_studio(allowed.project)["n_tasks_gone"] == 0
    assert post(f"{path}/label-studio/disconnect").status_code == 303
    assert "Annotators may label in Label Studio" in get_page(f"{path}/settings").text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": "http://10.0.0.1", "token": "x"}, "SVP_LABEL_STUDIO_HOSTS"),
        ({"url": "https://example.org"}, "token"),
        ({"url": "x", "token": "x"}, "is no base URL"),
        ({"url": "https://example.org", "token": "x", "project_there": "-1"}, "project_there"),
    ],
)
def test_what_is_wrong_is_said(
    post: Post, text_project: int, fields: dict[str, str], words: str
) -> None:
    answer = post(f"/projects/{text_project}/label-studio", **fields)
    assert answer.status_code == 422
    assert words in html.unescape(answer.text)


def test_a_failing_exchange_says_why_on_both_pages(get_page: GetPage, allowed: Bridge) -> None:
    allowed.connect()
    allowed.run(
        "UPDATE label_studio_connections SET n_failures = 4, error_code = 'label_studio_away', "
        "error = '<b>It</b> does not answer.'"
    )
    for path in ("", "/settings"):
        page = get_page(f"/projects/{allowed.project}{path}").text
        assert "&lt;b&gt;It&lt;/b&gt; does not answer." in page


def test_the_section_works_in_a_browser(
    browse: Browse, session_factory: Factory, settings: Settings, fake: Fake
) -> None:
    from tests.pages.browser import assert_accessible  # noqa: PLC0415

    project = start_labeling(session_factory, settings, "p")
    bridge = Bridge(session_factory, settings, fake, project)
    bridge.connect()
    bridge.sync()
    page = browse("root").new_page()
    page.goto(f"/projects/{project}/settings#label-studio")
    assert_accessible(page)
    page.get_by_role("button", name="Exchange now").click()
    page.get_by_text("The exchange begins now").wait_for()
    page.get_by_text("Disconnect", exact=True).click()
    page.get_by_role("button", name="Disconnect from Label Studio").click()
    page.get_by_text("no longer connected").wait_for()
    assert page.get_by_label("Address of this service").input_value().startswith("http://127.0.0.1")
    assert bridge.connection is None
    assert_accessible(page)
