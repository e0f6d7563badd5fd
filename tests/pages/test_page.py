"""What every page has in common: headers, prefix, errors, files, and text that is never markup."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from app.api.deps import SESSION_COOKIE
from app.config import Settings
from app.main import create_app
from app.pages.assets import ASSETS
from app.pages.page import HEADERS
from svp_client import Client
from tests.pages.browser import NARROW, assert_accessible, assert_fits
from tests.pages.conftest import Browse, GetPage, SignIn

TEMPLATES = Path(__file__).parents[2] / "app" / "pages" / "templates"
SCRIPT = "<script>throw Error('ran')</script>"
PAGES = ["/", "/sign-in", "/projects/{project}", "/nowhere"]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_the_strict_headers(get_page: GetPage, text_project: int, path: str) -> None:
    answer = get_page(path.format(project=text_project))
    assert answer.status_code == (404 if path == "/nowhere" else 200)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_no_template_holds_script_or_style() -> None:
    inline = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:|\|\s*safe\b")
    for path in TEMPLATES.rglob("*.html"):
        assert not inline.search(path.read_text()), path.name


class TestErrors:
    def test_pages_answer_as_pages_and_programs_get_problems(
        self, get_page: GetPage, http: TestClient
    ) -> None:
        answer = get_page("/projects/999")
        assert (answer.status_code, answer.headers["content-type"]) == (
            404,
            "text/html; charset=utf-8",
        )
        assert "There is no project 999" in answer.text
        assert http.get("/nowhere").json()["code"] == "path_not_found"

    def test_a_sign_in_leads_back_to_the_page_that_was_asked_for(self, http: TestClient) -> None:
        headers = {"Accept": "text/html"}
        answer = http.get("/projects/7", headers=headers, follow_redirects=False)
        assert answer.headers["location"] == "/sign-in?next=/projects/7"

    def test_a_wrong_value_is_named(self, get_page: GetPage) -> None:
        answer = get_page("/?after=x")
        assert answer.status_code == 422
        assert "query.after" in answer.text


class TestFiles:
    def test_browsers_keep_a_file_for_good_under_the_address_of_its_content(
        self, http: TestClient
    ) -> None:
        for name in ASSETS.files:
            answer = http.get(ASSETS.path(name))
            assert "immutable" in answer.headers["cache-control"]
        old = http.get("/static/0123456789ab/app.css")
        assert (old.status_code, old.headers["cache-control"]) == (200, "no-store")

    @pytest.mark.parametrize("name", ["../page.py", "%2e%2e/page.py", "vendor", "nothing.js"])
    def test_nothing_else_is_served(self, http: TestClient, name: str) -> None:
        assert http.get(f"/static/{ASSETS.version}/{name}").status_code == 404

    def test_each_script_of_others_is_named_with_its_version_and_licence(self) -> None:
        folder = Path(ASSETS.files["vendor/htmx.min.js"]).parent
        words = (folder / "README.md").read_text()
        for path in folder.iterdir():
            assert path.name == "README.md" or f"`{path.name}`" in words


@pytest.fixture
def behind(settings: Settings, database_url: str) -> Iterator[TestClient]:
    """The application behind a proxy at /svp."""
    configured = settings.model_copy(
        update={"database_url": SecretStr(database_url), "root_path": "/svp"}
    )
    with TestClient(create_app(configured), raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("start", ["", "/svp"], ids=["stripped", "kept"])
def test_every_address_lies_below_the_prefix(
    behind: TestClient, sign_in: SignIn, text_project: int, start: str
) -> None:
    headers = {"Accept": "text/html", "Cookie": f"{SESSION_COOKIE}={sign_in('ada')}"}
    for path in ("/", f"/projects/{text_project}", "/nowhere"):
        answer = behind.get(f"{start}{path}", headers=headers)
        addresses = re.findall(r'(?:href|src|action)="([^"#]+)', answer.text)
        assert addresses
        assert all(address.startswith("/svp/") for address in addresses), addresses
    asked = behind.get(
        f"{start}/projects/1", headers={"Accept": "text/html"}, follow_redirects=False
    )
    assert asked.headers["location"] == "/svp/sign-in?next=/projects/1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible_and_fit_a_phone(browse: Browse, admin: Client, scheme: str) -> None:
    project = admin.create_project(
        name=f'{SCRIPT}"><img src=x onerror=alert(1)>',
        modality="text",
        classes=["a", "b"],
        initial_budget=1,
        round_budget=1,
        total_budget=1,
    )["id"]
    page = browse(f"ada {SCRIPT}", viewport=NARROW, color_scheme=scheme).new_page()
    for path in ("/", f"/projects/{project}", "/nowhere", "/sign-in"):
        page.context.complaints.allowed = ["404"]  # type: ignore[attr-defined]
        page.goto(path)
        assert_accessible(page)
        assert_fits(page)
        assert page.locator("main script, main img").count() == 0
