"""Getting in and out: links, tokens, cookies, and requests that other sites' pages make."""

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from app.api.deps import SESSION_COOKIE
from app.db.session import transaction
from app.db.tables import SignInLink, WebSession
from app.services.web_sessions import create_admin_link
from svp_client import Client
from tests.app.conftest import bearer
from tests.pages.browser import assert_accessible
from tests.pages.conftest import Browse, SignIn

OWN = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def link(session_factory: sessionmaker[Session]) -> str:
    """The code of a link that signs the admin in."""
    with transaction(session_factory) as session:
        return create_admin_link(session)


def submit(http: TestClient, **fields: str) -> int:
    """Return the status of the sign-in form with these fields; the client keeps its cookie."""
    answer = http.post("/sign-in", data=fields, headers=OWN, follow_redirects=False)
    return int(answer.status_code)


class TestLink:
    def test_it_signs_in_once(self, http: TestClient, link: str) -> None:
        assert http.get(f"/sign-in?code={link}", headers=OWN).status_code == 200  # uses up nothing
        assert submit(http, code=link) == 303
        assert http.get("/", headers=OWN).status_code == 200
        http.cookies.clear()
        assert submit(http, code=link) == 403

    def test_it_ends_after_a_quarter_of_an_hour(
        self, http: TestClient, link: str, session_factory: sessionmaker[Session]
    ) -> None:
        with transaction(session_factory) as session:
            past = SignInLink.expires_at - timedelta(minutes=15)
            session.execute(update(SignInLink).values(expires_at=past))
        assert submit(http, code=link) == 403

    def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
        self, http: TestClient, link: str
    ) -> None:
        answer = http.post("/sign-in", data={"code": link}, headers=OWN, follow_redirects=False)
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "secure" not in cookie  # plain http here

    @pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "https://evil.example"])
    def test_it_leads_to_no_other_site(self, http: TestClient, link: str, path: str) -> None:
        form = {"code": link, "next": path}
        answer = http.post("/sign-in", data=form, headers=OWN, follow_redirects=False)
        assert answer.headers["location"] == "/"


class TestToken:
    def test_a_session_may_do_what_its_token_may_and_ends_with_it(
        self, http: TestClient, admin: Client, text_project: int
    ) -> None:
        made = admin.request(
            "POST", "/tokens", json={"name": "ada", "project_id": text_project}
        ).json()
        assert submit(http, token=f" {made['token']} ") == 303
        assert http.get(f"/api/v1/projects/{text_project}").json().keys() >= {"progress"}
        admin.request("DELETE", f"/tokens/{made['id']}")
        assert http.get(f"/api/v1/projects/{text_project}").status_code == 401

    def test_a_wrong_one_is_refused_with_a_sentence(self, http: TestClient) -> None:
        answer = http.post("/sign-in", data={"token": "svp_guess"}, headers=OWN)
        assert answer.status_code == 403
        assert "unknown, revoked or expired" in answer.text


class TestSession:
    def test_it_ends_when_its_person_signs_out(self, http: TestClient, sign_in: SignIn) -> None:
        headers = {**OWN, "Cookie": f"{SESSION_COOKIE}={sign_in('ada')}"}
        assert http.post("/sign-out", headers=headers, follow_redirects=False).status_code == 303
        assert http.get("/api/v1/projects", headers=headers).status_code == 401

    def test_all_of_a_person_end_together_if_they_ask(
        self, http: TestClient, sign_in: SignIn
    ) -> None:
        here, elsewhere, of_bob = (sign_in(name) for name in ("ada", "ada", "bob"))
        headers = {**OWN, "Cookie": f"{SESSION_COOKIE}={here}"}
        http.post("/sign-out", data={"everywhere": "true"}, headers=headers)
        for secret, status in ((here, 401), (elsewhere, 401), (of_bob, 200)):
            cookie = {"Cookie": f"{SESSION_COOKIE}={secret}"}
            assert http.get("/api/v1/projects", headers=cookie).status_code == status

    def test_it_lives_on_while_it_is_used_and_ends_after_its_days(
        self, http: TestClient, sign_in: SignIn, session_factory: sessionmaker[Session]
    ) -> None:
        headers = {"Cookie": f"{SESSION_COOKIE}={sign_in('ada')}"}

        def go_back(days: int) -> None:
            with transaction(session_factory) as session:
                earlier = {c: getattr(WebSession, c) - timedelta(days) for c in INSTANTS}
                session.execute(update(WebSession).values(earlier))

        for _ in range(3):
            go_back(13)
            assert http.get("/api/v1/projects", headers=headers).status_code == 200
        go_back(15)
        assert http.get("/api/v1/projects", headers=headers).status_code == 401


INSTANTS = ("created_at", "last_seen_at", "expires_at")
FOREIGN = [
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {},
]


class TestOtherSites:
    @pytest.mark.parametrize("headers", FOREIGN)
    def test_their_pages_change_nothing_with_the_cookie(
        self, http: TestClient, sign_in: SignIn, text_project: int, headers: dict[str, str]
    ) -> None:
        given = {**headers, "Cookie": f"{SESSION_COOKIE}={sign_in('ada')}"}
        for path in (f"/api/v1/projects/{text_project}/start", "/sign-out", "/sign-in"):
            answer = http.post(path, headers=given, follow_redirects=False)
            assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
        assert http.get("/api/v1/projects", headers=given).json()["projects"][0]["state"] == "draft"

    def test_own_pages_over_plain_http_send_their_origin(
        self, http: TestClient, sign_in: SignIn, text_project: int
    ) -> None:
        headers = {"Origin": "http://testserver", "Cookie": f"{SESSION_COOKIE}={sign_in('ada')}"}
        assert http.post(f"/api/v1/projects/{text_project}/start", headers=headers).is_success

    def test_programs_with_a_token_need_no_origin(
        self, http: TestClient, admin: Client, text_project: int
    ) -> None:
        headers = {**bearer(admin), "Sec-Fetch-Site": "cross-site"}
        assert http.post(f"/api/v1/projects/{text_project}/start", headers=headers).is_success


@pytest.mark.usefixtures("text_project")
def test_an_admin_gets_in_by_a_link_and_out_in_a_browser(browse: Browse, link: str) -> None:
    page = browse().new_page()
    page.goto("/")
    assert_accessible(page)
    page.goto(f"/sign-in?code={link}")
    assert_accessible(page)
    page.get_by_role("button", name="Sign in here").click()
    page.wait_for_url("**/")
    page.get_by_role("link", name="texts").click()
    page.get_by_role("heading", name="texts").wait_for()
    assert_accessible(page)
    page.locator(".user-menu summary").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_text("You are signed out.").wait_for()
