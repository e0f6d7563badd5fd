"""Bodies: the caller first, limits, encodings, lines, strict imports and query parameters."""

import gzip
import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backports import zstd
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import Engine, text

from app.api.bodies import FREE_UNPACKED_BYTES, Route
from app.api.encodings import UNPACKERS, Unpacker
from app.api.ndjson import LineReader
from app.config import Settings
from app.domain.errors import BodyInvalid, BodyTooLarge
from app.main import ROUTES, create_app
from svp_client import Client, ClientError
from tests.app.conftest import MakeClient, bearer, png

NDJSON = {"Content-Type": "application/x-ndjson"}
IMAGES: dict[str, Any] = {
    "modality": "image",
    "classes": ["a", "b"],
    "initial_budget": 2,
    "round_budget": 2,
    "total_budget": 4,
}
NESTED = b"[" + b"[]," * 500_000 + b"[]]"


def line(number: int, **more: str) -> bytes:
    extra = "".join(f', "{name}": "{value}"' for name, value in more.items())
    return f'{{"external_id": "n-{number}", "text": "text {number}"{extra}}}\n'.encode()


def post(client: Client, project: int, body: bytes, query: str = "", **headers: str) -> Any:
    path = f"/projects/{project}/items{query}"
    return client.request("POST", path, content=body, headers={**NDJSON, **headers}).json()


def refusal(client: Client, method: str, path: str, **sent: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as refused:
        client.request(method, path, **sent)
    return refused.value.status, refused.value.code


def routes_with_bodies(project: int) -> list[tuple[str, str, str]]:
    """Return (method, path, content type): two of JSON, then those that take large bodies."""
    here = f"/projects/{project}"
    return [
        ("POST", "/projects", "application/json"),
        ("POST", f"{here}/labels", "application/json"),
        ("POST", f"{here}/items", "application/x-ndjson"),
        ("POST", f"{here}/items/upload", "multipart/form-data; boundary=x"),
        ("PUT", f"{here}/features", "application/octet-stream"),
    ]


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
        settings = http.app.state.settings  # type: ignore[attr-defined]
        changed = settings.model_copy(update={"max_body_bytes": 4096, "max_json_bytes": 1024})
        http.app.state.settings = changed  # type: ignore[attr-defined]
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


class TestEncodings:
    @pytest.fixture
    def packers(self) -> dict[str, Any]:
        return {"gzip": gzip.compress, "x-gzip": gzip.compress, "zstd": zstd.compress}

    @pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "zstd"])
    def test_all_members_are_read(
        self, admin: Client, text_project: int, packers: dict[str, Any], encoding: str
    ) -> None:
        pack = packers[encoding]
        body = pack(line(1)) + pack(line(2)[:9]) + pack(line(2)[9:] + line(3)) + pack(b"")
        counts = post(admin, text_project, body, **{"Content-Encoding": encoding})
        assert (counts["n_created"], counts["n_failed"]) == (3, 0)

    def test_zeros_pad_a_gzip_body(self, admin: Client, text_project: int) -> None:
        body = gzip.compress(line(1)) + bytes(700) + gzip.compress(line(2)) + bytes(5)
        sent = {"Content-Encoding": "gzip"}
        assert post(admin, text_project, body, **sent)["n_created"] == 2

    @pytest.mark.parametrize("encoding", ["gzip", "zstd"])
    @pytest.mark.parametrize("tail", ["garbage", "cut-off member"])
    def test_what_follows_the_last_whole_member_is_an_error_that_counts_the_kept(
        self,
        admin: Client,
        text_project: int,
        packers: dict[str, Any],
        encoding: str,
        tail: str,
    ) -> None:
        pack = packers[encoding]
        more = pack(b"".join(map(line, range(10, 500))))
        body = pack(line(1) + line(2)) + pack(line(3))
        body += b"PLAIN TEXT" if tail == "garbage" else more[: len(more) // 2]
        with pytest.raises(ClientError, match=r"lines before that were kept") as refused:
            post(admin, text_project, body, **{"Content-Encoding": encoding})
        assert (refused.value.status, refused.value.code) == (400, "body_invalid")
        n_kept = admin.project(text_project)["n_pool"] - 40
        assert n_kept >= 3
        assert f"{n_kept} lines before that were kept" in str(refused.value)

    def test_other_encodings_are_refused_on_every_route(
        self, admin: Client, text_project: int
    ) -> None:
        for method, path, kind in routes_with_bodies(text_project):
            for encoding in ("deflate", "br", "gzip, zstd"):
                headers = {"Content-Type": kind, "Content-Encoding": encoding}
                sent = {"content": b"{}", "headers": headers}
                assert refusal(admin, method, path, **sent) == (415, "media_type_unsupported")

    def test_json_features_and_uploads_are_unpacked_too(
        self, admin: Client, text_project: int
    ) -> None:
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        content = gzip.compress(b'{"name": "ada", "all_projects": true}')
        created = admin.request("POST", "/tokens", content=content, headers=headers).json()
        assert created["name"] == "ada"
        file = io.BytesIO()
        np.save(file, np.ones((40, 3), np.float32))
        content = zstd.compress(file.getvalue())
        headers = {"Content-Encoding": "zstd", "Content-Type": "application/octet-stream"}
        path = f"/projects/{text_project}/features"
        assert admin.request("PUT", path, content=content, headers=headers).json()["d"] == 3

    def test_a_packed_json_body_may_not_unpack_over_the_limit(
        self, make_client: MakeClient, text_project: int
    ) -> None:
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        sent = {"content": gzip.compress(NESTED), "headers": headers}
        path = f"/projects/{text_project}/labels"
        assert refusal(make_client("ada"), "POST", path, **sent) == (413, "body_too_large")

    def test_a_bomb_of_blank_lines_is_refused_by_its_expansion(
        self, admin: Client, text_project: int
    ) -> None:
        body = gzip.compress(b"\n" * (FREE_UNPACKED_BYTES * 5))
        assert len(body) < 100_000
        sent = {"content": body, "headers": {**NDJSON, "Content-Encoding": "gzip"}}
        path = f"/projects/{text_project}/items"
        assert refusal(admin, "POST", path, **sent) == (413, "body_too_large")

    @pytest.mark.parametrize("encoding", ["gzip", "zstd"])
    def test_bodies_unpack_whole_however_they_are_cut_up(
        self, packers: dict[str, Any], encoding: str
    ) -> None:
        rng = random.Random(7)
        for _ in range(40):
            parts = [rng.randbytes(rng.randrange(300)) * rng.randrange(60) for _ in range(5)]
            body = b"".join(map(packers[encoding], parts))
            unpacker, found, place = UNPACKERS[encoding](), b"", 0
            while place < len(body):
                step = rng.choice([1, 2, 7, 1000, 40_000])
                unpacker.feed(body[place : place + step])
                place += step
                while unpacked := unpacker.read(rng.choice([1, 5, 4096])):
                    found += unpacked
            unpacker.finish()
            assert found == b"".join(parts)

    def test_a_gzip_body_of_many_members_takes_no_quadratic_time(self) -> None:
        unpacker = UNPACKERS["gzip"]()
        unpacker.feed(gzip.compress(b"a", 1) * 30_000)
        n = 0
        while unpacked := unpacker.read(4096):
            n += len(unpacked)
        assert n == 30_000


class TestLines:
    def test_lines_are_the_same_however_the_body_comes(self, settings: Settings) -> None:
        limited = settings.model_copy(update={"max_line_bytes": 1024})
        body = (
            b"\xef\xbb\xbfa\n\n \r\n"
            + b"x" * 1025
            + b"\nb\xe2\x80\xa8b\r\n\xef\xbb\xbf\n\xef\xbb\xbfc"
        )
        rng = random.Random(3)
        for step in (1, 3, 500, 10_000):
            reader, chunks, place = LineReader(limited), [], 0
            while place < len(body):
                size = rng.randrange(1, step + 1)
                chunks += reader.feed(body[place : place + size])
                place += size
            chunks += reader.end(b"", is_whole=True)
            lines = [line for chunk in chunks for line in chunk]
            assert [number for number, _ in lines] == [1, 4, 5, 7]
            assert [lines[i][1] for i in (0, 2, 3)] == [b"a", b"b\xe2\x80\xa8b\r", b"c"]
            assert getattr(lines[1][1], "item_code") == "line_too_large"  # noqa: B009

    def test_lines_are_counted_and_bounded(self, settings: Settings) -> None:
        reader = LineReader(settings.model_copy(update={"max_lines": 1000}))
        reader.feed(b"\n" * 1001)
        with pytest.raises(BodyTooLarge, match="SVP_MAX_LINES"):
            reader.feed(b"a\n")

    def test_the_time_of_splitting_is_bounded(self, settings: Settings) -> None:
        reader = LineReader(settings.model_copy(update={"max_parse_seconds": 1e-9}))
        reader.feed(b"a\nb\n")
        with pytest.raises(BodyTooLarge, match="SVP_MAX_PARSE_SECONDS"):
            reader.feed(b"a\n")

    def test_lines_before_a_limit_are_kept_once(
        self, http: TestClient, admin: Client, text_project: int
    ) -> None:
        settings = http.app.state.settings  # type: ignore[attr-defined]
        http.app.state.settings = settings.model_copy(  # type: ignore[attr-defined]
            update={"max_body_bytes": 300_000}
        )
        body = b"".join(map(line, range(20_000)))
        packed = gzip.compress(body)
        with pytest.raises(ClientError, match="lines before that were kept") as refused:
            post(admin, text_project, packed, **{"Content-Encoding": "gzip"})
        assert refused.value.status == 413
        n_kept = admin.project(text_project)["n_pool"] - 40
        assert 3000 < n_kept < 8000
        assert f"{n_kept} lines before that were kept ({n_kept} new, 0 known)" in str(refused.value)

    def test_an_import_of_bad_lines_ends(
        self, http: TestClient, admin: Client, text_project: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.api.ndjson.CHUNK_LINES", 4)
        settings = http.app.state.settings  # type: ignore[attr-defined]
        http.app.state.settings = settings.model_copy(  # type: ignore[attr-defined]
            update={"max_refused_lines": 5}
        )
        body = line(1) + b"x\n" * 20
        for query, n_kept in (("?strict=true", 0), ("", 1)):
            with pytest.raises(ClientError, match="the first is line 2") as refused:
                post(admin, text_project, body, query)
            assert refused.value.code == "body_invalid"
            assert admin.project(text_project)["n_pool"] == 40 + n_kept

    def test_a_byte_order_mark_is_skipped_at_the_start_of_any_line(
        self, admin: Client, text_project: int
    ) -> None:
        body = b"\xef\xbb\xbf" + line(1) + line(2) + b"\xef\xbb\xbf" + line(3)
        assert post(admin, text_project, body)["n_created"] == 3

    def test_an_unknown_key_is_named_with_those_that_exist(
        self, admin: Client, text_project: int
    ) -> None:
        counts = post(admin, text_project, line(1, colour="red") + line(2))
        assert (counts["n_created"], counts["n_failed"]) == (1, 1)
        assert "'colour'" in counts["errors"][0]["detail"]
        assert "image_uri" in counts["errors"][0]["detail"]


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
        self, admin: Client, text_project: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.api.imports.STRICT_ROWS_AT_ONCE", 3)
        monkeypatch.setattr("app.api.ndjson.CHUNK_LINES", 4)
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
        settings = http.app.state.settings  # type: ignore[attr-defined]
        http.app.state.settings = settings.model_copy(  # type: ignore[attr-defined]
            update={"image_roots": (str(tmp_path), "s3://bucket")}
        )
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
        path = f"/projects/{text_project}/items/upload"
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


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_a_damaged_stream_is_refused(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(bytes(range(256)) * 9)
    unpacker = UNPACKERS[encoding]()
    unpacker.feed(packed[:12] + bytes(len(packed) - 12))
    with pytest.raises(BodyInvalid):
        unpack(unpacker)


def unpack(unpacker: Unpacker) -> bytes:
    """Return all that was fed, unpacked."""
    found = b""
    while unpacked := unpacker.read(4096):
        found += unpacked
    unpacker.finish()
    return found
