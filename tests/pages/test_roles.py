"""Who may open each page: one table, and each page obeys it."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.db.tables import Role
from app.domain.roles import Grant, Right, rights_in
from app.main import PREFIX
from tests.app.test_roles import routes_of, url
from tests.pages.conftest import GetPage

NOBODY, SIGNED_IN = "nobody", "signed in"
# The right that a page needs, in the project of its path.
REQUIRED: dict[str, list[str]] = {
    NOBODY: [
        "GET /sign-in",
        "POST /sign-in",
        "GET /join",
        "POST /join",
        "GET /static/{version}/{name:path}",
    ],
    SIGNED_IN: ["GET /", "POST /sign-out", "GET /projects/{project}"],
    Right.LABEL: [
        "GET /projects/{project}/label",
        "GET /projects/{project}/label/grid",
    ],
    Right.READ: [
        "GET /projects/{project}/live",
        "GET /projects/{project}/progress",
        "GET /projects/{project}/items",
        "GET /projects/{project}/items/{item}",
        "GET /projects/{project}/models",
        "GET /projects/{project}/models/{model}",
        "GET /projects/{project}/annotators",
        "GET /projects/{project}/annotators/agreement",
        "GET /projects/{project}/rounds",
        "GET /projects/{project}/rounds/{number}",
        "GET /projects/{project}/map",
        "GET /projects/{project}/jobs",
        "GET /projects/{project}/jobs/{job}",
        "GET /projects/{project}/import",
        "GET /projects/{project}/exports",
        "GET /projects/{project}/exports/file",
        "GET /projects/{project}/label-errors",
    ],
    Right.LEAD: [
        "GET /projects/{project}/people",
        "POST /projects/{project}/people/invite",
        "POST /projects/{project}/people/revoke",
        "POST /projects/{project}/people/remove",
        "POST /projects/{project}/people/link",
        "POST /projects/{project}/state",
        "POST /projects/{project}/exports",
        "POST /projects/{project}/analyses",
        "POST /projects/{project}/items",
        "POST /projects/{project}/annotators/pause",
        "POST /projects/{project}/annotators/resume",
        "POST /projects/{project}/annotators/clear-flags",
        "POST /projects/{project}/flags/{flag}/close",
        "POST /projects/{project}/jobs/{job}/retry",
        "POST /projects/{project}/jobs/{job}/cancel",
        "POST /projects/{project}/import",
        "POST /projects/{project}/import/{number}/cancel",
        "POST /projects/{project}/core-sets",
        "GET /projects/{project}/settings",
        "POST /projects/{project}/settings",
        "POST /projects/{project}/label-studio",
        "POST /projects/{project}/label-studio/sync",
        "POST /projects/{project}/label-studio/disconnect",
        "POST /projects/{project}/webhooks",
        "GET /projects/{project}/webhooks/{webhook}",
        "POST /projects/{project}/webhooks/{webhook}/test",
        "POST /projects/{project}/webhooks/{webhook}/secret",
        "POST /projects/{project}/webhooks/{webhook}/switch",
        "POST /projects/{project}/webhooks/{webhook}/delete",
        "POST /projects/{project}/webhooks/{webhook}/replay",
    ],
    Right.SERVE: [
        "GET /projects/new",
        "POST /projects/new",
        "POST /projects/new/files",
        "POST /projects/new/preview",
    ],
}
TABLE = {tuple(line.split()): needs for needs, lines in REQUIRED.items() for line in lines}
OF_RIGHTS = [(route, needs) for route, needs in TABLE.items() if needs in list(Right)]


def test_every_page_stands_in_the_table(http: TestClient) -> None:
    assert isinstance(http.app, FastAPI)
    pages = [route for route in routes_of(http.app) if not route[1].startswith(PREFIX)]
    assert sorted(pages) == sorted(TABLE), "say in REQUIRED who may open the page"


def test_nobody_is_sent_to_the_sign_in_page(http: TestClient, text_project: int) -> None:
    for (method, path), needs in TABLE.items():
        if needs == NOBODY:
            continue
        headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
        filled = url(path, text_project)
        answer = http.request(method, filled, headers=headers, follow_redirects=False)
        assert answer.status_code == 303, (method, path)
        assert answer.headers["location"].startswith("/sign-in")


@pytest.mark.parametrize("role", Role)
def test_a_role_opens_what_its_rights_allow(
    role: Role, get_page: GetPage, text_project: int
) -> None:
    project = None if role is Role.ADMIN else text_project
    for (method, path), needs in OF_RIGHTS:
        reach = None if needs == Right.SERVE else text_project
        is_allowed = needs in rights_in([Grant(role, project)], reach)
        answer = get_page(url(path, text_project), "ada", role, project, method=method)
        assert (answer.status_code != 403) == is_allowed, (role, method, path)


def test_a_role_of_another_project_finds_nothing(get_page: GetPage, text_project: int) -> None:
    for (method, path), needs in OF_RIGHTS:
        if "{project}" in path and needs != Right.SERVE:
            answer = get_page(
                url(path, text_project + 1), "x", Role.LEAD, text_project, method=method
            )
            assert answer.status_code == 404, (method, path)
