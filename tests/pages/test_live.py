"""What a form said stays on the page, whatever reloads it or a part of it."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import expect

from app.api.deps import SESSION_COOKIE
from app.pages.page import FLASH_COOKIE
from svp_client import Client
from tests.pages.conftest import Browse, SignIn


def test_a_part_of_a_page_does_not_take_what_a_form_said(
    http: TestClient, sign_in: SignIn, start: Any
) -> None:
    project = start()
    cookie = f"{SESSION_COOKIE}={sign_in('root')}; {FLASH_COOKIE}=Paused."
    headers = {"Accept": "text/html", "Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
    part = http.get(f"/projects/{project}/live", headers={**headers, "HX-Request": "true"})
    assert part.status_code == 200
    assert FLASH_COOKIE not in part.headers.get("set-cookie", "")
    whole = http.get(f"/projects/{project}", headers=headers)
    assert "Paused." in whole.text
    assert FLASH_COOKIE in whole.headers["set-cookie"]


@pytest.mark.slow
def test_a_reload_by_another_state_keeps_what_a_form_said(
    browse: Browse, admin: Client, start: Any
) -> None:
    project = start(n_items=12, total_budget=10, initial_budget=4, reserve=4)
    page = browse("root").new_page()
    page.goto(f"/projects/{project}")
    page.get_by_role("button", name="Pause").click()
    said = page.locator("main > .flash")
    expect(said).to_contain_text("paused")
    page.wait_for_timeout(500)  # the stream is open
    admin.resume(project)
    page.get_by_role("button", name="Pause").wait_for()
    expect(said).to_contain_text("paused")
    page.reload()
    expect(said).to_have_count(0)
