"""The routes of imports that a worker does; what a worker does is tested in tests/workers."""

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from svp_client import Client
from tests.app.conftest import change_settings
from tests.app.items import refusal

CSV = b"text,label\nfine,pos\n"


class TestFileImports:
    def test_files_are_stored_and_wait_for_a_worker(self, admin: Client, text_project: int) -> None:
        options = {"columns": {"label": "class"}, "split": "pool"}
        files = [("a.csv", CSV), ("b.csv", CSV)]
        asked = admin.import_files(text_project, files, options)
        assert [(each["name"], each["state"]) for each in asked] == [
            ("a.csv", "queued"), ("b.csv", "queued"),
        ]  # fmt: skip
        assert admin.imports(text_project) == asked
        assert admin.file_import(text_project, asked[0]["id"])["options"] == options
        jobs = admin.request("GET", f"/projects/{text_project}/jobs").json()["jobs"]
        assert {job["kind"] for job in jobs if job["id"] in {a["job_id"] for a in asked}} == {
            "import"
        }

    def test_an_import_is_cancelled_once(self, admin: Client, text_project: int) -> None:
        (asked,) = admin.import_files(text_project, [("a.csv", CSV)])
        assert admin.cancel_import(text_project, asked["id"])["state"] == "cancelled"
        path = f"/projects/{text_project}/imports/{asked['id']}"
        assert refusal(admin, "POST", f"{path}/cancel") == (409, "transition_not_allowed")
        assert list(admin.import_errors(text_project, asked["id"])) == []
        answer = admin.request("GET", f"{path}/errors", params={"format": "csv"})
        assert answer.text == "line,external_id,code,detail\r\n"
        missing = f"/projects/{text_project}/imports/9999"
        assert refusal(admin, "GET", missing) == (404, "not_found")

    def test_addresses_must_be_allowed(
        self, admin: Client, text_project: int, http: TestClient, tmp_path: Path
    ) -> None:
        path = f"/projects/{text_project}/imports"
        for uri in ("a.csv", "s3://bucket/a.csv", "/etc/passwd", "file:///etc/passwd"):
            found = refusal(admin, "POST", path, json={"uris": [uri]})
            assert found == (422, "image_uri_not_allowed")
        change_settings(http, image_roots=(str(tmp_path), "s3://bucket"))
        uris = ["a.csv", "s3://bucket/a.csv"]
        assert [each["name"] for each in admin.import_uris(text_project, uris)] == uris
        bad = {"uris": ["s3://bucket/../other/a.csv"]}
        assert refusal(admin, "POST", path, json=bad)[0] == 422

    @pytest.mark.parametrize(
        "options",
        [
            {"format": "exel"},
            {"columns": {"a": "klass"}},
            {"delimiter": ";;"},
            {"split": "train"},
            {"other": 1},
        ],
    )
    def test_options_are_checked_when_they_are_sent(
        self, admin: Client, text_project: int, options: dict[str, object]
    ) -> None:
        path = f"/projects/{text_project}/imports"
        form = {"data": {"options": json.dumps(options)}, "files": [("files", ("a.csv", CSV))]}
        assert refusal(admin, "POST", f"{path}/upload", **form) == (422, "request_invalid")
        body = {"uris": ["a.csv"], **options}
        assert refusal(admin, "POST", path, json=body) == (422, "request_invalid")

    def test_a_project_that_has_ended_takes_none(self, admin: Client, text_project: int) -> None:
        admin.start(text_project)
        admin.cancel(text_project)
        form = {"files": [("files", ("a.csv", CSV))]}
        path = f"/projects/{text_project}/imports/upload"
        assert refusal(admin, "POST", path, **form) == (409, "project_not_accepting")
        plain = {"content": CSV, "headers": {"Content-Type": "text/csv"}}
        assert refusal(admin, "POST", path, **plain) == (415, "media_type_unsupported")
        empty = {"files": [("other", ("a.csv", CSV))]}
        assert refusal(admin, "POST", path, **empty) == (422, "request_invalid")
