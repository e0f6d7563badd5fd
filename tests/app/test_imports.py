"""Strict imports, and malicious lines."""

import gzip
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from svp_client import Client
from tests.app.conftest import bearer, change_settings, png
from tests.app.items import IMAGES, NDJSON, line, post, refusal


class TestStrictImport:
    def test_one_bad_line_refuses_all(self, admin: Client, text_project: int) -> None:
        body = line(1) + b'{"external_id": "bad"}\n' + line(2, **{"class": "nope"}) + line(3)
        answer = admin._http.post(  # noqa: SLF001
            f"/api/v1/projects/{text_project}/items?strict=true",
            content=body,
            headers={**NDJSON, **bearer(admin)},
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "import_refused")
        found = {(fault["line"], fault["code"]) for fault in answer.json()["errors"]}
        assert found == {(2, "line_invalid"), (3, "unknown_class")}
        assert admin.project(text_project)["n_pool"] == 40

    def test_a_conflict_with_what_is_stored_refuses_all(
        self, admin: Client, text_project: int
    ) -> None:
        body = line(1) + b'{"external_id": "t-3", "text": "another"}\n'
        sent = {"content": body, "headers": NDJSON}
        path = f"/projects/{text_project}/items?strict=true"
        assert refusal(admin, "POST", path, **sent) == (422, "import_refused")
        assert admin.project(text_project)["n_pool"] == 40

    def test_good_lines_are_stored_in_order(
        self, http: TestClient, admin: Client, text_project: int
    ) -> None:
        change_settings(http, import_chunk_lines=3)
        counts = post(admin, text_project, b"".join(map(line, range(10))), "?strict=true")
        assert (counts["n_created"], counts["n_known"], counts["n_failed"]) == (10, 0, 0)
        page = admin.request("GET", f"/projects/{text_project}/items?cursor=39").json()["items"]
        assert [i["external_id"] for i in page] == [f"n-{i}" for i in range(10)]

    def test_a_body_that_ends_early_stores_nothing(self, admin: Client, text_project: int) -> None:
        body = gzip.compress(b"".join(map(line, range(500))))[:-20]
        sent = {"content": body, "headers": {**NDJSON, "Content-Encoding": "gzip"}}
        path = f"/projects/{text_project}/items?strict=true"
        assert refusal(admin, "POST", path, **sent) == (400, "body_invalid")
        assert admin.project(text_project)["n_pool"] == 40

    def test_uploads_may_be_strict(self, admin: Client) -> None:
        project = admin.create_project(**{**IMAGES, "name": "images"})["id"]
        path = f"/projects/{project}/items/upload?strict=true"
        good, bad = ("files", ("a.png", png())), ("files", ("b.png", b"none"))
        assert refusal(admin, "POST", path, files=[good, bad]) == (422, "import_refused")
        assert admin.project(project)["n_pool"] == 0
        assert admin.request("POST", path, files=[good]).json()["n_created"] == 1


class TestLinesThatMeanHarm:
    def test_a_faulty_uri_refuses_its_line_alone(
        self, admin: Client, tmp_path: Path, http: TestClient
    ) -> None:
        change_settings(http, image_roots=(str(tmp_path), "s3://bucket"))
        (tmp_path / "good.png").write_bytes(png())
        project = admin.create_project(**{**IMAGES, "name": "images"})["id"]
        uris = ["\\u0000", "http://[::1", "http://a]b/", "//[", "a" * 5000, "", "s3://bucket/["]
        lines = [f'{{"external_id": "{i}", "image_uri": "{x}"}}\n' for i, x in enumerate(uris)]
        good = '{"external_id": "good", "image_uri": "good.png"}\n'
        counts = post(admin, project, "".join([*lines, good]).encode())
        assert (counts["n_created"], counts["n_failed"]) == (1, len(uris))
        assert all(fault["code"].startswith("image_") for fault in counts["errors"])

    def test_a_row_that_no_column_holds_is_refused_alone(
        self, admin: Client, text_project: int, engine: Engine
    ) -> None:
        with engine.begin() as connection:
            connection.execute(
                text(
                    "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                    "IF NEW.text IN ('text 3', 'text 7') THEN "
                    "RAISE EXCEPTION 'no' USING ERRCODE = '22021'; END IF; RETURN NEW; END $$"
                )
            )
            connection.execute(
                text("CREATE TRIGGER no BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION no()")
            )
        counts = post(admin, text_project, b"".join(map(line, range(10))))
        assert (counts["n_created"], counts["n_failed"]) == (8, 2)
        found = [(fault["line"], fault["code"]) for fault in counts["errors"]]
        assert found == [(4, "line_unstorable"), (8, "line_unstorable")]

    def test_a_numpy_header_of_nonsense_is_refused(self, admin: Client, text_project: int) -> None:
        for shape in ("-----1", "(True, True)", "(" * 3000, "(-1, 2)", "2**70"):
            head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
            body = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(64)
            path = f"/projects/{text_project}/features"
            assert refusal(admin, "PUT", path, content=body) == (422, "features_invalid")

    def test_the_charset_of_a_form_cannot_smuggle_text(
        self, admin: Client, text_project: int
    ) -> None:
        body = (
            b'--x\r\nContent-Disposition: form-data; name="files"; filename="\\ud800.png"\r\n\r\n'
            b"data\r\n--x--\r\n"
        )
        for route in ("items/upload", "imports/upload"):
            path = f"/projects/{text_project}/{route}"
            for charset in ("unicode_escape", "undefined", "utf-7"):
                kind = {"Content-Type": f"multipart/form-data; boundary=x; charset={charset}"}
                assert refusal(admin, "POST", path, content=body, headers=kind)[0] == 415


class TestUnstorableTexts:
    def test_a_text_that_cannot_be_stored_is_refused(self, admin: Client) -> None:
        rest = '"modality": "text", "initial_budget": 1, "round_budget": 1, "total_budget": 2'
        headers = {"Content-Type": "application/json"}
        for body in (
            '{"name": TEXT, REST}',
            '{"name": "p", "classes": [TEXT, "b"], REST}',
            '{"name": "p", REST, "proxy": {"model": "fasttext", "recipe": {"deep": [TEXT]}}}',
        ):
            for value in ('"a\\u0000b"', '"\\ud800"', '"\\udc00x"', "NaN", "1e999"):
                content = body.replace("REST", rest).replace("TEXT", value).encode()
                sent = {"content": content, "headers": headers}
                assert refusal(admin, "POST", "/projects", **sent) == (422, "request_invalid")

    def test_comments_and_names_too(self, admin: Client, text_project: int) -> None:
        wanted: list[tuple[str, dict[str, Any]]] = [
            ("skips", {"reason": "other", "comment": "a\x00b"}),
            ("flags", {"comment": "a\x00b"}),
            ("reassign", {"annotator": "a\x00b"}),
            ("flags", {"comment": "c", "a\x00b": 1}),
        ]
        for path, more in wanted:
            body = {"item_ids": [1], **more}
            found = refusal(admin, "POST", f"/projects/{text_project}/{path}", json=body)
            assert found == (422, "request_invalid")

    def test_the_words_backslash_u0000_are_no_such_character(self, admin: Client) -> None:
        headers = {"Content-Type": "application/json"}
        content = b'{"name": "a\\\\u0000", "all_projects": true}'
        answer = admin.request("POST", "/tokens", content=content, headers=headers)
        assert answer.json()["name"] == "a\\u0000"
