"""Bodies: the caller first, limits, and query parameters."""

from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import SecretStr

from app.api.bodies import Route
from app.config import Settings
from app.main import ROUTES, create_app
from svp_client import Client, ClientError
from tests.app.conftest import MakeClient, bearer, change_settings
from tests.app.items import NDJSON, NESTED, line, post, refusal, routes_with_bodies


class Unread:
    """A body that tells whether anybody began to read it."""

    def __init__(self) -> None:
        self.was_read = False

    def __iter__(self) -> Iterator[bytes]:
        self.was_read = True
        yield NESTED


class TestCallerFirst:
    @pytest.mark.parametrize("token", [None, "svp_wrong"])
    def test_no_byte_of_a_stranger_is_read(self, http: TestClient, token: str | None) -> None:
        for method, path, kind in [
            ("POST", "/tokens", "application/json"),
            *routes_with_bodies(1),
        ]:
            body = Unread()
            headers = {"Content-Type": kind}
            if token:
                headers["Authorization"] = f"Bearer {token}"
            answer = http.request(method, f"/api/v1{path}", content=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
            assert not body.was_read

    def test_large_bodies_are_read_of_those_alone_who_may_send_them(
        self, make_client: MakeClient, text_project: int
    ) -> None:
        ada = make_client("ada")
        for method, path, kind in routes_with_bodies(text_project)[2:]:
            body = Unread()
            sent = {"content": body, "headers": {"Content-Type": kind}}
            assert refusal(ada, method, path, **sent)[0] == 403
            assert not body.was_read

    def test_every_route_that_takes_a_body_asks_for_its_caller(self) -> None:
        for route in (route for module in ROUTES for route in module.router.routes):
            assert isinstance(route, Route)
        app = create_app(Settings(database_url=SecretStr("postgresql://nowhere/none")))
        for route in app.routes:
            takes_body = isinstance(route, APIRoute) and route.body_field is not None
            assert not takes_body or isinstance(route, Route)


class TestLimits:
    def test_json_over_its_limit_is_refused_by_length_and_as_it_comes(
        self, make_client: MakeClient, text_project: int
    ) -> None:
        ada, path = make_client("ada"), f"/projects/{text_project}/labels"
        headers = {"Content-Type": "application/json"}
        for content in (NESTED, iter([b"["] + [b"[]," * 1000] * 500)):
            sent = {"content": content, "headers": headers}
            assert refusal(ada, "POST", path, **sent) == (413, "body_too_large")

    def test_an_announced_length_over_the_limit_is_refused_unread(
        self, make_client: MakeClient, text_project: int
    ) -> None:
        body = Unread()
        headers = {"Content-Type": "application/json", "Content-Length": "40000000"}
        sent = {"content": body, "headers": headers}
        assert refusal(make_client("ada"), "POST", f"/projects/{text_project}/labels", **sent) == (
            413,
            "body_too_large",
        )
        assert not body.was_read

    def test_an_import_has_a_limit_of_its_own(
        self, http: TestClient, admin: Client, text_project: int
    ) -> None:
        change_settings(http, max_body_bytes=4096, max_json_bytes=1024)
        assert post(admin, text_project, b"".join(map(line, range(60))))["n_created"] == 60
        path = f"/projects/{text_project}/items"
        for content in (b"x" * 5000, iter([b"x" * 2000] * 3)):
            sent = {"content": content, "headers": NDJSON}
            assert refusal(admin, "POST", path, **sent) == (413, "body_too_large")

    def test_lists_of_faults_are_cut(self, admin: Client, text_project: int) -> None:
        body = {"labels": [{"item_id": "x"}] * 1000}
        answer = admin._http.post(  # noqa: SLF001
            f"/api/v1/projects/{text_project}/labels",
            json=body,
            headers=bearer(admin),
        )
        assert answer.status_code == 422
        assert len(answer.json()["errors"]) == 100


class TestManyNames:
    def test_no_answer_grows_with_entries_times_classes(self, admin: Client) -> None:
        classes = [f"class {i} {'x' * 150}" for i in range(3000)]
        project = admin.create_project(
            name="many",
            modality="text",
            classes=classes,
            strategy="uniform",
            initial_budget=100,
            round_budget=2,
            total_budget=200,
        )["id"]
        admin.import_items(
            project, ({"external_id": f"t-{i}", "text": f"text {i}"} for i in range(200))
        )
        body = b"".join(line(i, **{"class": "y" * 5000}) for i in range(1000))
        answer = admin.request("POST", f"/projects/{project}/items", content=body, headers=NDJSON)
        assert answer.json()["n_failed"] == 1000
        assert len(answer.content) < 2_000_000
        assert " more." in answer.json()["errors"][0]["detail"]
        gold = {"items": [{"external_id": f"t-{i}", "class": "z"} for i in range(200)]}
        answer = admin.request("PUT", f"/projects/{project}/gold", json=gold)
        assert len(answer.content) < 200_000


class TestQueryParameters:
    def test_an_unknown_one_is_refused_with_the_names_that_exist(
        self, admin: Client, text_project: int
    ) -> None:
        here = f"/projects/{text_project}"
        labels = {"labels": [{"item_id": 1, "class": "neg"}]}
        for method, path, named, body in [
            ("GET", "/projects?limits=3", "cursor, limit", None),
            ("GET", f"{here}/items?externalid=t-1", "external_id", None),
            ("GET", f"{here}/next-batch?n=3", "annotator, size", None),
            ("POST", f"{here}/labels?annotatr=ada", "annotator", labels),
            ("POST", f"{here}/items?strickt=true", "strict", None),
            ("POST", f"{here}/start?now=1", "none", None),
        ]:
            with pytest.raises(ClientError, match=named) as refused:
                admin.request(method, path, json=body)
            assert (refused.value.status, refused.value.code) == (422, "request_invalid")

    def test_one_given_twice_is_refused(self, admin: Client) -> None:
        assert refusal(admin, "GET", "/projects?limit=3&limit=4")[0] == 422

    def test_an_item_is_found_by_its_external_id(self, admin: Client, text_project: int) -> None:
        line_ = b'{"external_id": "e", "text": "x", "split": "evaluation", "class": "neg"}'
        post(admin, text_project, line_)
        path = f"/projects/{text_project}/items"
        for external_id, split in (("t-7", "pool"), ("e", "evaluation")):
            page = admin.request("GET", f"{path}?external_id={external_id}").json()
            (item,) = page["items"]
            assert (item["external_id"], item["split"]) == (external_id, split)
            assert page["next_cursor"] is None
        assert admin.request("GET", f"{path}?external_id=none").json()["items"] == []
        assert admin.request("GET", f"{path}?external_id=e&split=pool").json()["items"] == []
