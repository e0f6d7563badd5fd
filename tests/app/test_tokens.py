"""Tokens: what they reach, whom a tool's token acts for, and when they are refused."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from app.config import Settings
from app.db.session import transaction
from app.db.tables import Role
from app.domain.errors import TooManyAnnotators
from app.main import create_app
from app.services.tokens import acting_annotator, authenticate, create_token
from svp_client import Client, ClientError
from tests.app.conftest import MakeClient, bearer
from tests.loop import Factory, start_labeling


@pytest.fixture
def project(session_factory: Factory, settings: Settings) -> int:
    """A project whose 30 items are being labeled."""
    return start_labeling(
        session_factory, settings, "p", 30, initial_budget=20, total_budget=30, reserve=0
    )


class TestTokens:
    def test_revoked_expired_and_unknown_tokens_are_refused(
        self, http: TestClient, admin: Client
    ) -> None:
        past = (datetime.now(UTC) - timedelta(1)).isoformat()
        expired = admin.request(
            "POST", "/tokens", json={"name": "old", "all_projects": True, "expires_at": past}
        ).json()
        revoked = admin.request(
            "POST", "/tokens", json={"name": "gone", "all_projects": True}
        ).json()
        admin.request("DELETE", f"/tokens/{revoked['id']}")
        for token in (expired["token"], revoked["token"], "svp_guess"):
            with pytest.raises(ClientError) as refusal:
                Client("http://testserver", token, http=http).project(1)
            assert (refusal.value.status, refusal.value.code) == (401, "not_authenticated")


def refusal(client: Client, project: int, annotator: str) -> tuple[int, str]:
    """Return status and code of a poll for the annotator."""
    with pytest.raises(ClientError) as refused:
        client.request("GET", f"/projects/{project}/next-batch", params={"annotator": annotator})
    return refused.value.status, refused.value.code


class TestReach:
    @pytest.mark.parametrize("role", ["annotator", "admin"])
    def test_a_token_says_what_it_reaches(self, admin: Client, project: int, role: str) -> None:
        body = {"name": "ada", "role": role}
        reach: dict[str, Any]
        for reach in ({}, {"project_id": project, "all_projects": True}):
            with pytest.raises(ClientError, match="either project_id or all_projects"):
                admin.request("POST", "/tokens", json={**body, **reach})
        for reach in ({"project_id": project}, {"all_projects": True}):
            made = admin.request("POST", "/tokens", json={**body, **reach}).json()
            assert made["project_id"] == reach.get("project_id")


class TestActingFor:
    def test_never_for_an_admin_or_for_somebody_of_another_project(
        self, make_client: MakeClient, project: int, text_project: int
    ) -> None:
        make_client("boss", Role.ADMIN, project_id=project)
        make_client("elsewhere", project_id=text_project)
        make_client("everywhere")
        make_client("colleague", project_id=project)
        tool = make_client("tool", project_id=project, act_as=True)
        for name in ("root", " root", "boss", "elsewhere", "everywhere"):
            assert refusal(tool, project, name) == (403, "not_allowed")
        for name in ("colleague", "tool", "somebody"):
            assert tool.next_batch(project, 1, annotator=name)["items"]

    def test_a_tool_of_the_whole_service_acts_for_all_but_admins(
        self, make_client: MakeClient, project: int, text_project: int
    ) -> None:
        make_client("elsewhere", project_id=text_project)
        tool = make_client("tool", act_as=True)
        assert tool.next_batch(project, 1, annotator="elsewhere")["items"]
        make_client("root", Role.ADMIN)
        assert refusal(tool, project, "root") == (403, "not_allowed")

    def test_nor_for_one_who_was_made_an_admin_since(
        self, make_client: MakeClient, project: int
    ) -> None:
        tool = make_client("tool", project_id=project, act_as=True)
        tool.next_batch(project, 1, annotator="ada")
        make_client("ada", Role.ADMIN)
        assert refusal(tool, project, "ada") == (403, "not_allowed")

    @pytest.mark.parametrize("name", ["", "  ", "\u200b"])
    def test_a_blank_name_is_refused(
        self, make_client: MakeClient, project: int, name: str
    ) -> None:
        tool = make_client("tool", project_id=project, act_as=True)
        assert refusal(tool, project, name) == (422, "name_invalid")

    def test_only_for_those_of_its_list(self, make_client: MakeClient, project: int) -> None:
        tool = make_client("tool", project_id=project, act_as=True, annotators=["ada ", "bob"])
        assert tool.next_batch(project, 1, annotator="ada")["items"]
        assert refusal(tool, project, "eve") == (403, "not_allowed")

    def test_for_as_many_as_it_may(self, make_client: MakeClient, project: int) -> None:
        tool = make_client("tool", project_id=project, act_as=True, max_annotators=2)
        for name in ("ada", "bob", "ada"):
            tool.next_batch(project, 1, annotator=name)
        assert refusal(tool, project, "eve") == (403, "too_many_annotators")

    def test_requests_at_once_do_not_pass_the_limit(
        self, session_factory: Factory, project: int
    ) -> None:
        with transaction(session_factory) as session:
            clear, _ = create_token(
                session, "t", Role.ANNOTATOR, project_id=project, act_as=True, max_annotators=3
            )
        barrier = threading.Barrier(8)

        def act(number: int) -> bool:
            barrier.wait(20)
            try:
                with transaction(session_factory) as session:
                    acting_annotator(session, authenticate(session, clear), f"person {number}")
            except TooManyAnnotators:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(act, range(8))) == 3


class TestLeasesOfATool:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        limits = {"max_leases_per_annotator": 4, "max_leases_per_token": 6}
        return settings.model_copy(update=limits)

    def test_those_whom_a_token_acts_for_hold_no_more_than_it_may(
        self, make_client: MakeClient, project: int
    ) -> None:
        tool = make_client("tool", project_id=project, act_as=True)
        got = [
            len(tool.next_batch(project, 10, annotator=name)["items"])
            for name in ("ada", "bob", "eve", "ada")
        ]
        assert got == [4, 2, 0, 4]
        assert tool.next_batch(project, 10, annotator="eve")["waiting_for"] == "leases"
        assert len(make_client("ivy", project_id=project).next_batch(project, 10)["items"]) == 4
        tool.request("POST", f"/projects/{project}/leases/release?annotator=ada", json={})
        assert len(tool.next_batch(project, 3, annotator="eve")["items"]) == 3


def test_a_poll_for_many_names_takes_no_more_than_the_token_may(
    http: TestClient, settings: Settings, database_url: str, make_client: MakeClient, project: int
) -> None:
    """200 invented people cannot empty a batch: the token's default is 50, its leases end at 5."""
    limited = settings.model_copy(
        update={"database_url": SecretStr(database_url), "max_leases_per_token": 5}
    )
    token = bearer(make_client("tool", project_id=project, act_as=True))
    with TestClient(create_app(limited)) as client:
        n_held = 0
        for number in range(52):
            path = f"/api/v1/projects/{project}/next-batch?size=1&annotator=p{number}"
            answer = client.get(path, headers=token)
            assert answer.status_code == (200 if number < 50 else 403)
            n_held += len(answer.json().get("items", []))
    assert n_held == 5
    assert http.app is not None
