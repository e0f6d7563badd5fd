"""Browsers, proxies and other programs: CORS, prefix, docs, HEAD, line ends, the client."""

import re
from collections.abc import Iterator

import orjson
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy.orm import Session, sessionmaker

from app.api.docs import FILES, STATIC
from app.config import Settings
from app.db.session import transaction
from app.db.tables import Role
from app.main import create_app
from app.services.tokens import create_token
from svp_client import Client
from tests.app.conftest import bearer, png

ORIGIN = "https://tool.example"


@pytest.fixture
def behind(settings: Settings, database_url: str) -> Iterator[TestClient]:
    """The application behind a proxy at /svp, open to a tool's page."""
    configured = settings.model_copy(
        update={
            "database_url": SecretStr(database_url),
            "root_path": "/svp",
            "cors_origins": (ORIGIN,),
        }
    )
    with TestClient(create_app(configured), raise_server_exceptions=False) as client:
        yield client


class TestCors:
    def test_a_listed_origin_may_ask_without_a_token_and_reads_errors(
        self, behind: TestClient
    ) -> None:
        wish = {
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        answer = behind.options("/api/v1/projects/1/labels", headers=wish)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "authorization" in answer.headers["access-control-allow-headers"].lower()
        answer = behind.get("/api/v1/projects", headers={"Origin": ORIGIN})
        assert answer.status_code == 401
        assert answer.headers["access-control-allow-origin"] == ORIGIN

    def test_other_origins_may_not(self, behind: TestClient, http: TestClient) -> None:
        wish = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        for client in (behind, http):
            answer = client.options("/api/v1/projects/1/labels", headers=wish)
            assert answer.status_code in {400, 405}
            assert "access-control-allow-origin" not in answer.headers


class TestPrefix:
    @pytest.mark.parametrize("start", ["", "/svp"], ids=["stripped", "kept"])
    def test_image_urls_and_docs_lie_below_the_prefix(
        self, behind: TestClient, session_factory: sessionmaker[Session], start: str
    ) -> None:
        with transaction(session_factory) as session:
            token, _ = create_token(session, "root", Role.ADMIN, project_id=None)
        http = behind
        http.headers["Authorization"] = f"Bearer {token}"
        made = {
            "name": "p",
            "modality": "image",
            "classes": ["a", "b"],
            "initial_budget": 1,
            "round_budget": 1,
            "total_budget": 1,
        }
        api = f"{start}/api/v1"
        project = http.post(f"{api}/projects", json=made).json()["id"]
        files = [("files", ("a.png", png()))]
        http.post(f"{api}/projects/{project}/items/upload", files=files)
        (item,) = http.get(f"{api}/projects/{project}/items").json()["items"]
        url = item["content"]["image_url"]
        assert url.startswith("/svp/api/v1/")
        assert http.get(url).content == png()
        assert http.get(f"{api}/openapi.json").json()["servers"] == [{"url": "/svp"}]

    def test_nothing_redirects(self, behind: TestClient) -> None:
        answer = behind.get("/api/v1/health/live/", follow_redirects=False)
        assert (answer.status_code, answer.json()["code"]) == (404, "path_not_found")


class TestDocs:
    def test_the_page_opens_without_a_token_and_loads_from_here_alone(
        self, http: TestClient
    ) -> None:
        page = http.get("/api/v1/docs")
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        wanted = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(wanted) == 4
        for address in wanted:
            assert not address.startswith(("http", "/"))
            assert http.get(f"/api/v1/{address}").status_code == 200
        described = http.get("/api/v1/openapi.json").json()
        assert described["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"

    def test_every_file_is_there_and_no_other_is_served(self, http: TestClient) -> None:
        for name in FILES:
            assert (STATIC / name).is_file()
        assert http.get("/api/v1/docs/README.md").status_code == 404
        assert "http://" not in (STATIC / "docs.js").read_text()


class TestHead:
    def test_what_get_reads_head_answers(
        self, http: TestClient, admin: Client, text_project: int
    ) -> None:
        paths = [
            "/health/live",
            "/openapi.json",
            f"/projects/{text_project}",
            f"/projects/{text_project}/items",
            f"/projects/{text_project}/labels",
        ]
        for path in paths:
            answer = http.head(f"/api/v1{path}", headers=bearer(admin))
            assert (path, answer.status_code, answer.content) == (path, 200, b"")
        answer = http.head("/api/v1/health/ready")  # no worker is there
        assert (answer.status_code, answer.content) == (503, b"")

    def test_head_of_next_batch_leases_nothing(
        self, http: TestClient, admin: Client, text_project: int
    ) -> None:
        path = f"/api/v1/projects/{text_project}/next-batch"
        assert http.head(path, headers=bearer(admin)).status_code == 405


def test_exported_lines_end_at_newlines_only(admin: Client, text_project: int) -> None:
    names = ["a\u2028b", "c\u2029d", "e\u0085f", "g\x0ch", "i\x1cj"]
    lines = [{"external_id": name, "text": name, "class": "neg"} for name in names]
    assert admin.import_items(text_project, lines)["n_created"] == 5
    assert [label["external_id"] for label in admin.export_labels(text_project)] == names
    text = admin.request("GET", f"/projects/{text_project}/labels").text
    assert [orjson.loads(line)["external_id"] for line in text.splitlines()] == names
