"""Roles: one table says who may use each route of the application, and each route obeys it."""

from collections.abc import Callable, Iterator
from enum import StrEnum

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from app.db.tables import Role
from app.main import PREFIX
from svp_client import Client, ClientError
from tests.app.conftest import MakeClient

Route = tuple[str, str]


class Needs(StrEnum):
    """The least token that a route answers; PROJECT: one that reaches the project of the path."""

    NOTHING = "nothing"
    TOKEN = "token"  # noqa: S105 - no secret
    PROJECT_TOKEN = "project_token"  # noqa: S105 - no secret
    PROJECT_ADMIN = "project_admin"
    SERVICE_ADMIN = "service_admin"

    @property
    def role(self) -> Role:
        return Role.ADMIN if self in ADMINS else Role.ANNOTATOR


# Its body is too large for an address; it changes nothing.
READING_POST = f"{PREFIX}/projects/{{project}}/predictions"
ADMINS = (Needs.PROJECT_ADMIN, Needs.SERVICE_ADMIN)
OF_A_PROJECT = (Needs.PROJECT_TOKEN, Needs.PROJECT_ADMIN)

REQUIRED: dict[Needs, list[str]] = {
    Needs.NOTHING: [
        "GET /health/live",
        "GET /health/ready",
        "GET /openapi.json",
        "GET /docs",
        "GET /docs/{name}",
        "POST /label-studio/{connection}/webhook",  # by a secret of its own
    ],
    Needs.TOKEN: ["GET /projects"],
    Needs.SERVICE_ADMIN: [
        "POST /projects",
        "POST /projects/{project}/copy",
        "GET /deleted-projects",
        "GET /tokens",
        "POST /tokens",
        "DELETE /tokens/{token}",
    ],
    Needs.PROJECT_ADMIN: [
        "GET /projects/{project}/members",
        "DELETE /projects/{project}/members/{name}",
        "POST /projects/{project}/members/{name}/link",
        "POST /projects/{project}/invitations",
        "GET /projects/{project}/invitations",
        "DELETE /projects/{project}/invitations/{invitation}",
        "POST /projects/{project}/predictions",
        "GET /projects/{project}/label-studio",
        "PUT /projects/{project}/label-studio",
        "DELETE /projects/{project}/label-studio",
        "POST /projects/{project}/label-studio/sync",
        "POST /projects/{project}/webhooks",
        "GET /projects/{project}/webhooks",
        "GET /projects/{project}/webhooks/{webhook}",
        "PATCH /projects/{project}/webhooks/{webhook}",
        "DELETE /projects/{project}/webhooks/{webhook}",
        "POST /projects/{project}/webhooks/{webhook}/secret",
        "POST /projects/{project}/webhooks/{webhook}/test",
        "GET /projects/{project}/webhooks/{webhook}/deliveries",
        "POST /projects/{project}/webhooks/{webhook}/deliveries/replay",
        "POST /projects/{project}/webhooks/{webhook}/deliveries/{delivery}/replay",
        "POST /projects/{project}/start",
        "PATCH /projects/{project}",
        "GET /projects/{project}/flags",
        "POST /projects/{project}/flags/{flag}/close",
        "POST /projects/{project}/requeue",
        "POST /projects/{project}/reassign",
        "GET /projects/{project}/items/{item}/labels",
        "PATCH /projects/{project}/annotation",
        "GET /projects/{project}/agreement",
        "POST /projects/{project}/annotators/{name}/pause",
        "POST /projects/{project}/annotators/{name}/resume",
        "POST /projects/{project}/annotators/{name}/clear-flags",
        "PUT /projects/{project}/gold",
        "POST /projects/{project}/gold/remove",
        "GET /projects/{project}/gold",
        "POST /projects/{project}/rounds",
        "POST /projects/{project}/pause",
        "POST /projects/{project}/resume",
        "POST /projects/{project}/finish",
        "POST /projects/{project}/cancel",
        "POST /projects/{project}/reopen",
        "POST /projects/{project}/archive",
        "POST /projects/{project}/restore",
        "DELETE /projects/{project}",
        "PUT /projects/{project}/features",
        "GET /projects/{project}/set-aside",
        "POST /projects/{project}/set-aside/retry",
        "GET /projects/{project}/events",
        "GET /projects/{project}/events/stream",
        "GET /projects/{project}/overview",
        "POST /projects/{project}/map",
        "POST /projects/{project}/decisions",
        "GET /projects/{project}/map",
        "GET /projects/{project}/costs",
        "GET /projects/{project}/items/{item}/history",
        "POST /projects/{project}/items",
        "POST /projects/{project}/items/upload",
        "POST /projects/{project}/items/erase",
        "PATCH /projects/{project}/items/{item}",
        "PUT /projects/{project}/items/{item}/image",
        "POST /projects/{project}/imports",
        "POST /projects/{project}/imports/upload",
        "GET /projects/{project}/imports",
        "GET /projects/{project}/imports/{number}",
        "POST /projects/{project}/imports/{number}/cancel",
        "GET /projects/{project}/imports/{number}/errors",
        "GET /projects/{project}/labels",
        "POST /projects/{project}/label-exports",
        "GET /projects/{project}/label-exports",
        "GET /projects/{project}/label-exports/{number}",
        "GET /projects/{project}/label-exports/{number}/file",
        "GET /projects/{project}/annotators",
        "GET /projects/{project}/rounds/{number}/items",
        "POST /projects/{project}/rounds/{number}/retry",
        "POST /projects/{project}/jobs/{job}/retry",
        "POST /projects/{project}/jobs/{job}/cancel",
        "POST /projects/{project}/core-sets",
        "GET /projects/{project}/core-sets/{core_set}/items",
        "GET /projects/{project}/advice",
        "GET /projects/{project}/items",
        "GET /projects/{project}/rounds",
        "GET /projects/{project}/rounds/{number}",
        "GET /projects/{project}/learning-curve",
        "GET /projects/{project}/jobs",
        "GET /projects/{project}/jobs/{job}",
        "GET /projects/{project}/jobs/{job}/log",
        "GET /projects/{project}/models",
        "GET /projects/{project}/models/{model}",
        "GET /projects/{project}/models/{model}/weights",
        "GET /projects/{project}/models/{model}/metrics",
        "GET /projects/{project}/models/{model}/card",
        "POST /projects/{project}/models/{model}/pool-predictions",
        "GET /projects/{project}/models/{model}/pool-predictions",
        "GET /projects/{project}/models/{model}/predictions",
        "GET /projects/{project}/classes",
        "POST /projects/{project}/classes",
        "POST /projects/{project}/second-opinions",
        "POST /projects/{project}/label-errors",
        "GET /projects/{project}/label-errors",
        "GET /projects/{project}/label-errors/{search}/items",
        "POST /projects/{project}/advice/proxy",
        "GET /projects/{project}/advice/proxy",
        "POST /projects/{project}/audits",
        "GET /projects/{project}/audits",
        "POST /projects/{project}/labels-saved",
        "GET /projects/{project}/labels-saved",
        "GET /projects/{project}/core-sets",
        "GET /projects/{project}/core-sets/{core_set}",
        "GET /projects/{project}/core-sets/{core_set}/scores",
        "GET /projects/{project}/core-sets/{core_set}/scores/{epoch}",
    ],
    Needs.PROJECT_TOKEN: [
        "GET /projects/{project}",
        "GET /projects/{project}/progress",
        "POST /projects/{project}/flags",
        "GET /projects/{project}/items/{item}",
        "GET /projects/{project}/items/{item}/image",
        "GET /projects/{project}/next-batch",
        "POST /projects/{project}/leases/renew",
        "POST /projects/{project}/leases/release",
        "POST /projects/{project}/labels",
        "POST /projects/{project}/labels/withdraw",
        "POST /projects/{project}/skips",
    ],
}
TABLE: dict[Route, Needs] = {
    (line.split()[0], PREFIX + line.split()[1]): needs
    for needs, lines in REQUIRED.items()
    for line in lines
}


def routes_of(app: FastAPI) -> Iterator[Route]:
    """Yield (method, path) of every route, those that OpenAPI leaves out too."""
    for route in iter_route_contexts(app.routes):
        for method in sorted(route.methods or {"?"}):
            yield method, str(route.path)


def url(path: str, project: int) -> str:
    """Return the path with the project, and a number that nothing else has."""
    filled = path.replace("{project}", str(project)).replace("{name}", "999999")
    for name in (
        "item",
        "number",
        "job",
        "model",
        "core_set",
        "epoch",
        "token",
        "flag",
        "name",
        "search",
        "invitation",
        "webhook",
        "delivery",
        "connection",
    ):
        filled = filled.replace(f"{{{name}}}", "999999")
    assert "{" not in filled
    return f"{filled}?seconds=0" if filled.endswith("/stream") else filled


@pytest.fixture
def ask(http: TestClient, text_project: int) -> Callable[..., tuple[int, str]]:
    """Returns (status, detail) of a route asked with a client's token, or with none."""

    def ask_one(route: Route, client: Client | None = None) -> tuple[int, str]:
        method, path = route[0], url(route[1], text_project)
        if client is None:
            answer = http.request(method, path)
        else:
            try:
                answer = client.request(method, path.removeprefix(PREFIX))
            except ClientError as error:
                return error.status, error.detail
        is_problem = answer.headers["content-type"] == "application/problem+json"
        return answer.status_code, answer.json()["detail"] if is_problem else ""

    return ask_one


def test_every_route_stands_in_the_table(http: TestClient) -> None:
    assert isinstance(http.app, FastAPI)
    routes = [route for route in routes_of(http.app) if route[1].startswith(PREFIX)]  # not pages
    assert sorted(routes) == sorted(TABLE), "say in REQUIRED who may use the route"


def test_no_token_reaches_nothing_but_health_and_the_apis_description(
    ask: Callable[..., tuple[int, str]],
) -> None:
    for route, needs in TABLE.items():
        assert (ask(route)[0] == 401) == (needs is not Needs.NOTHING), route


def test_token_of_a_foreign_project_reaches_no_other(
    ask: Callable[..., tuple[int, str]], admin: Client, make_client: MakeClient, text_project: int
) -> None:
    other = admin.create_project(
        name="other",
        modality="text",
        classes=["a", "b"],
        initial_budget=1,
        round_budget=1,
        total_budget=1,
    )["id"]
    foreign = {role: make_client(f"foreign {role}", role, project_id=other) for role in Role}
    for route, needs in TABLE.items():
        status, detail = ask(route, foreign[needs.role])
        if needs in OF_A_PROJECT:
            assert (status, detail.split(".")[0]) == (404, f"There is no project {text_project}")
        elif needs is Needs.SERVICE_ADMIN:
            assert status == 403, route
    listed = foreign[Role.ADMIN].request("GET", "/projects").json()["projects"]
    assert [project["id"] for project in listed] == [other]


def test_an_annotators_token_does_no_admins_work(
    ask: Callable[..., tuple[int, str]], make_client: MakeClient
) -> None:
    ada = make_client("ada")
    for route, needs in TABLE.items():
        is_refused = ask(route, ada)[0] == 403
        assert is_refused == (needs in ADMINS), route


def test_the_least_token_of_the_table_is_enough(
    ask: Callable[..., tuple[int, str]], make_client: MakeClient, text_project: int
) -> None:
    for route, needs in TABLE.items():
        project = text_project if needs in OF_A_PROJECT else None
        least = make_client(f"least {needs}", needs.role, project_id=project)
        status, detail = ask(route, least)
        assert status not in (401, 403), route
        assert not detail.startswith("There is no project"), route


def test_a_reader_sees_all_of_a_project_and_changes_nothing(
    ask: Callable[..., tuple[int, str]], make_client: MakeClient, text_project: int
) -> None:
    reader = make_client("eve", Role.READER, project_id=text_project)
    item = "/projects/{project}/items/{item}"
    own = {"/projects/{project}", item, f"{item}/image"}
    for (method, path), needs in TABLE.items():
        reads = method == "GET" or path == READING_POST
        is_reading = reads and needs is Needs.PROJECT_ADMIN
        is_own = method == "GET" and path.removeprefix(PREFIX) in own
        is_open = needs in (Needs.NOTHING, Needs.TOKEN) or is_own
        is_refused = ask((method, path), reader)[0] == 403
        assert is_refused != (is_reading or is_open), (method, path)


def test_a_lead_does_all_in_its_project_and_nothing_beyond(
    ask: Callable[..., tuple[int, str]], make_client: MakeClient, text_project: int
) -> None:
    lead = make_client("ivy", Role.LEAD, project_id=text_project)
    for route, needs in TABLE.items():
        assert (ask(route, lead)[0] == 403) == (needs is Needs.SERVICE_ADMIN), route
