"""Errors are problems with a code and a request id."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from svp_client import Client, ClientError
from tests.app.conftest import fail_at_commit


class TestProblems:
    def test_errors_are_problems_with_code_and_request_id(self, admin: Client) -> None:
        with pytest.raises(ClientError) as refusal:
            admin.project(99)
        assert (refusal.value.status, refusal.value.code) == (404, "not_found")

    def test_unknown_path_is_a_problem(self, http: TestClient) -> None:
        answer = http.get("/nowhere", headers={"X-Request-ID": "r-1"})
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["X-Request-ID"] == "r-1"
        assert answer.json()["request_id"] == "r-1"

    def test_failing_commit_does_not_answer_201(self, admin: Client, engine: Engine) -> None:
        fail_at_commit(engine, "projects")
        with pytest.raises(ClientError) as refusal:
            admin.create_project(
                name="p",
                modality="text",
                classes=["a", "b"],
                initial_budget=1,
                round_budget=1,
                total_budget=1,
            )
        assert (refusal.value.status, refusal.value.code) == (500, "internal_error")
