"""Inviting people, joining under a name, removing them; and proxies that sign people in."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient

from app.api.deps import SESSION_COOKIE
from app.db.tables import Role
from svp_client import Client, ClientError
from tests.app.conftest import MakeClient, change_settings
from tests.pages.browser import NARROW, assert_accessible, assert_fits
from tests.pages.conftest import Browse, GetPage, SignIn

OWN = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
Join = Callable[..., tuple[int, str]]


@pytest.fixture
def join(http: TestClient) -> Join:
    """join(link, name) -> (status, the new session's secret) of a person who is not signed in."""

    def submit(link: str, name: str) -> tuple[int, str]:
        form = {"code": link.partition("code=")[2], "name": name}
        http.cookies.clear()
        answer = http.post("/join", data=form, headers=OWN, follow_redirects=False)
        secret = http.cookies.get(SESSION_COOKIE, "")
        http.cookies.clear()
        return answer.status_code, secret

    return submit


def status_of(http: TestClient, secret: str, path: str) -> int:
    """Return the status of an API route, asked with a session's cookie."""
    headers = {"Cookie": f"{SESSION_COOKIE}={secret}"}
    return int(http.get(f"/api/v1{path}", headers=headers).status_code)


class TestInvitation:
    def test_it_gives_its_role_in_its_project_to_as_many_as_it_says(
        self, http: TestClient, admin: Client, text_project: int, join: Join
    ) -> None:
        link = admin.invite(text_project, max_uses=2)
        joined = [join(link, name) for name in ("ada", "bob", "eve")]
        assert [status for status, _ in joined] == [303, 303, 404]
        assert status_of(http, joined[0][1], f"/projects/{text_project}/progress") == 200
        assert status_of(http, joined[0][1], f"/projects/{text_project}/jobs") == 403
        assert [(m["name"], m["role"]) for m in admin.members(text_project)] == [
            ("ada", "annotator"),
            ("bob", "annotator"),
        ]
        (invitation,) = admin.invitations(text_project)
        assert (invitation["n_used"], invitation["is_open"]) == (2, False)

    def test_the_last_use_lets_one_of_many_in(
        self, admin: Client, text_project: int, http: TestClient
    ) -> None:
        code = admin.invite(text_project).partition("code=")[2]

        def submit(name: str) -> int:
            form = {"code": code, "name": name}
            answer = http.post("/join", data=form, headers=OWN, follow_redirects=False)
            return int(answer.status_code)

        with ThreadPoolExecutor(6) as pool:
            statuses = sorted(pool.map(submit, "abcdef"))
        assert statuses == [303, *[404] * 5]
        assert len(admin.members(text_project)) == 1

    @pytest.mark.parametrize("name", ["root", " root ", "", "\u200b", "x" * 201])
    def test_a_taken_or_invisible_name_is_refused_and_uses_nothing_up(
        self, admin: Client, text_project: int, join: Join, name: str
    ) -> None:
        link = admin.invite(text_project)
        assert join(link, name) == (422, "")
        assert join(link, "ada")[0] == 303

    def test_it_can_be_revoked_and_ends(self, admin: Client, text_project: int, join: Join) -> None:
        revoked = admin.invite(text_project)
        admin.revoke_invitation(text_project, admin.invitations(text_project)[0]["id"])
        ended = admin.invite(text_project, days=1e-9)
        assert [join(link, "ada")[0] for link in (revoked, ended, "?code=guess")] == [404] * 3

    def test_somebody_signed_in_keeps_their_name_and_the_role_they_had(
        self, admin: Client, text_project: int, get_page: GetPage
    ) -> None:
        code = admin.invite(text_project).partition("code=")[2]
        given = {"method": "POST", "data": {"code": code, "name": "other"}}
        joined = get_page("/join", "lea", Role.LEAD, text_project, **given)
        assert joined.status_code == 303
        assert [(m["name"], m["role"]) for m in admin.members(text_project)] == [("lea", "lead")]
        assert admin.invitations(text_project)[0]["n_used"] == 0

    def test_a_lead_invites_into_no_other_project(
        self, make_client: MakeClient, admin: Client, text_project: int
    ) -> None:
        other = admin.create_project(
            name="other", modality="text", classes=["a", "b"],
            initial_budget=1, round_budget=1, total_budget=1,
        )["id"]  # fmt: skip
        lead = make_client("lea", Role.LEAD, project_id=text_project)
        assert lead.invite(text_project)
        with pytest.raises(ClientError) as refused:
            lead.invite(other)
        assert refused.value.status == 404


class TestMember:
    def test_a_removed_one_is_out_at_once(
        self, http: TestClient, admin: Client, text_project: int, join: Join
    ) -> None:
        _, secret = join(admin.invite(text_project), "ada")
        admin.remove_member(text_project, "ada")
        assert status_of(http, secret, f"/projects/{text_project}") == 404
        with pytest.raises(ClientError, match="There is no member ada"):
            admin.remove_member(text_project, "ada")

    def test_a_link_signs_a_member_in_elsewhere(
        self, http: TestClient, admin: Client, text_project: int, join: Join
    ) -> None:
        join(admin.invite(text_project), "ada")
        code = admin.member_link(text_project, "ada").partition("code=")[2]
        answer = http.post("/sign-in", data={"code": code}, headers=OWN, follow_redirects=False)
        assert answer.status_code == 303
        secret = http.cookies[SESSION_COOKIE]
        assert status_of(http, secret, f"/projects/{text_project}/progress") == 200

    def test_a_lead_makes_no_link_for_somebody_who_may_do_more(
        self, make_client: MakeClient, text_project: int, sign_in: SignIn
    ) -> None:
        lead = make_client("lea", Role.LEAD, project_id=text_project)
        sign_in("boss", Role.ADMIN)
        sign_in("boss", Role.ANNOTATOR, text_project)
        with pytest.raises(ClientError, match="ask an admin"):
            lead.member_link(text_project, "boss")


class TestUserHeader:
    def test_a_listed_proxy_says_who_asks(
        self, http: TestClient, text_project: int, sign_in: SignIn
    ) -> None:
        sign_in("José", Role.READER, text_project)
        named = {"X-User": "José".encode()}
        path = f"/api/v1/projects/{text_project}/jobs"
        assert http.get(path, headers=named).status_code == 401  # off by default
        change_settings(http, user_header="X-User", user_header_from=("10.0.0.0/8",))
        proxy = TestClient(http.app, client=("10.1.2.3", 50))
        direct = TestClient(http.app, client=("192.168.1.1", 50))
        assert proxy.get(path, headers=named).status_code == 200
        assert direct.get(path, headers=named).status_code == 401
        assert proxy.get(path, headers={"X-User": "stranger"}).status_code == 404
        assert proxy.get(path).status_code == 401

    def test_other_sites_change_nothing_in_the_name_of_who_is_signed_in(
        self, http: TestClient, text_project: int, sign_in: SignIn
    ) -> None:
        sign_in("root")
        change_settings(http, user_header="X-User", user_header_from=("10.1.2.3",))
        proxy = TestClient(http.app, client=("10.1.2.3", 50))
        headers = {"X-User": "root", "Sec-Fetch-Site": "cross-site"}
        path = f"/api/v1/projects/{text_project}/start"
        assert proxy.post(path, headers=headers).status_code == 403
        assert proxy.post(path, headers={**headers, "Sec-Fetch-Site": "same-origin"}).is_success


def test_a_lead_invites_and_a_person_joins_in_a_browser(browse: Browse, text_project: int) -> None:
    lead = browse("lea", Role.LEAD, text_project).new_page()
    lead.goto(f"/projects/{text_project}/people")
    assert_accessible(lead)
    lead.get_by_role("button", name="Make a link").click()
    link = lead.locator("#link").input_value()
    assert_accessible(lead)
    person = browse(viewport=NARROW).new_page()
    person.goto(link)
    assert_accessible(person)
    assert_fits(person)
    person.get_by_label("Your name").fill("lea")
    person.context.complaints.allowed = ["422"]  # type: ignore[attr-defined]
    person.get_by_role("button", name="Join").click()
    person.get_by_text("Somebody is called lea already").wait_for()
    person.get_by_label("Your name").fill("<b>Ada</b>")
    person.get_by_role("button", name="Join").click()
    person.get_by_text("Welcome to the project.").wait_for()
    lead.reload()
    lead.get_by_role("button", name="New sign-in link for <b>Ada</b>").wait_for()
    lead.set_viewport_size(NARROW)
    assert_fits(lead)
    lead.locator(".confirm summary").nth(1).click()
    lead.get_by_text("lea can no longer open this project").wait_for()
