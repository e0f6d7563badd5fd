"""Tokens, problems, OpenAPI, health, and that the application loads no torch."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.db.migrate import alembic_config, migrate
from app.domain.errors import DatabaseNotUsable
from svp_client import Client, ClientError
from tests.app.conftest import fail_at_commit


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


class TestOpenApi:
    def test_every_route_is_described_with_its_errors(self, admin: Client) -> None:
        schema = admin.request("GET", "/openapi.json").json()
        for path, methods in schema["paths"].items():
            for method, route in methods.items():
                where = f"{method} {path}"
                assert route["summary"], where
                assert route["description"], where
                if "/health/" in path:
                    continue
                for status in ("401", "422"):
                    content = route["responses"][status]["content"]
                    assert list(content) == ["application/problem+json"], where
        assert "code" in schema["components"]["schemas"]["Problem"]["properties"]
        for name in ("ProjectCreate", "LabelsIn", "SkipsIn", "NextBatchOut", "ImportResult"):
            assert schema["components"]["schemas"][name]["example"], name


class TestMigrations:
    def test_up_down_up_leaves_no_difference(self, engine: Engine) -> None:
        from alembic import command  # noqa: PLC0415

        with engine.begin() as connection:
            config = alembic_config(connection)
            command.downgrade(config, "base")
            command.upgrade(config, "head")
            command.check(config)

    def test_tokens_of_before_go_on_for_any_number_of_annotators(self, engine: Engine) -> None:
        from alembic import command  # noqa: PLC0415

        insert = text(
            "INSERT INTO tokens (token_hash, annotator_id, role, act_as) "
            "SELECT name::bytea, id, 'annotator', name = 'tool' FROM annotators"
        )
        with engine.begin() as connection:
            config = alembic_config(connection)
            command.downgrade(config, "0013")
            connection.execute(text("INSERT INTO annotators (name) VALUES ('tool'), ('ada')"))
            connection.execute(insert)
            command.upgrade(config, "head")
            found = text("SELECT act_as, max_annotators FROM tokens ORDER BY act_as")
            assert connection.execute(found).all() == [(False, 50), (True, 1_000_000)]

    def test_database_of_a_newer_version_stops_the_start(self, engine: Engine) -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(DatabaseNotUsable, match="newer version has used it"):
            migrate(engine)

    def test_failed_migration_changes_nothing_and_says_so(self, engine: Engine) -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
            connection.execute(text("DELETE FROM alembic_version"))
        with pytest.raises(DatabaseNotUsable, match="rolled back"):
            migrate(engine)

    def test_events_are_append_only(self, engine: Engine, admin: Client, text_project: int) -> None:
        admin.start(text_project)
        with engine.begin() as connection, pytest.raises(Exception, match="append-only"):
            connection.execute(text("UPDATE events SET name = 'x'"))


def test_importing_the_application_loads_no_torch() -> None:
    heavy = "{'torch', 'pandas', 'sklearn', 'cleanlab'}"
    code = f"import app.main, sys; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
