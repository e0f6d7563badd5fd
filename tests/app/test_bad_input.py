"""Bad input: a code, a sentence that says what to do, never a 500, and nothing lost."""

import gzip
import io
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import Engine, text

from app.config import Settings
from app.db.tables import Project, Role
from app.domain.errors import ItemInvalid
from app.services import items
from app.services.image_uris import read_image_uri
from svp_client import Client, ClientError
from tests.app.conftest import png

PROJECT: dict[str, Any] = {
    "modality": "image",
    "classes": ["a", "b"],
    "initial_budget": 2,
    "round_budget": 2,
    "total_budget": 4,
}


@pytest.fixture
def images(admin: Client) -> int:
    return int(admin.create_project(name="images", **PROJECT)["id"])


def upload(client: Client, project: int, **files: bytes) -> dict[str, str]:
    """Upload files and return name -> code of those refused."""
    answer = client.request(
        "POST",
        f"/projects/{project}/items/upload",
        files=[("files", (name, data)) for name, data in files.items()],
    ).json()
    assert answer["n_created"] + answer["n_known"] + answer["n_failed"] == len(files)
    assert all(len(e["detail"]) > 20 for e in answer["errors"])
    return {error["external_id"]: error["code"] for error in answer["errors"]}


def post_lines(client: Client, project: int, body: bytes, **headers: str) -> dict[str, Any]:
    return dict(
        client.request(
            "POST",
            f"/projects/{project}/items",
            content=body,
            headers={"Content-Type": "application/x-ndjson", **headers},
        ).json()
    )


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + pixels + chunk(b"IEND", b"")


class TestImages:
    def test_each_fault_has_its_code_and_the_good_one_is_kept(
        self, admin: Client, images: int
    ) -> None:
        codes = upload(
            admin,
            images,
            good=png(),
            empty=b"",
            text=b"hello",
            cut_off=png(64, 64, "RGB")[:60],
            dot=png(1, 1),
            alpha=png(8, 8, "RGBA"),
            deep=png(8, 8, "I;16"),
            huge=png_header(30_000, 30_000),
        )
        assert codes == {
            "empty": "image_not_decodable",
            "text": "image_not_decodable",
            "cut_off": "image_not_decodable",
            "dot": "image_too_small",
            "alpha": "image_channels_unsupported",
            "deep": "image_depth_unsupported",
            "huge": "image_too_large",
        }
        assert admin.project(images)["n_pool"] == 1

    def test_image_comes_back_with_its_bytes_and_type(self, admin: Client, images: int) -> None:
        buffer = io.BytesIO()
        Image.new("RGB", (9, 9), "red").save(buffer, "JPEG")
        upload(admin, images, photo=buffer.getvalue())
        (item,) = admin.request("GET", f"/projects/{images}/items").json()["items"]
        path = item["content"]["image_url"].removeprefix("/api/v1")
        answer = admin.request("GET", path)
        assert answer.content == buffer.getvalue()
        assert answer.headers["content-type"] == "image/jpeg"
        again = admin.request("GET", path, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304

    def test_a_stored_image_that_was_cut_off_is_mended_by_uploading_it_again(
        self, admin: Client, images: int, settings: Settings
    ) -> None:
        upload(admin, images, a=png())
        (item,) = admin.request("GET", f"/projects/{images}/items").json()["items"]
        path = item["content"]["image_url"].removeprefix("/api/v1")
        folder = Path(settings.artifact_store_url.removeprefix("file://"))
        (stored,) = (found for found in folder.rglob("*") if found.is_file())
        stored.write_bytes(png()[:-9])
        with pytest.raises(ClientError) as refusal:
            admin.request("GET", path)
        assert (refusal.value.status, refusal.value.code) == (410, "artifact_missing")
        assert upload(admin, images, a=png()) == {}
        assert admin.request("GET", path).content == png()

    def test_no_room_for_an_artifact_loses_nothing(
        self, admin: Client, images: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_room(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("fsspec.implementations.local.LocalFileSystem.mv", no_room)
            with pytest.raises(ClientError) as refusal:
                upload(admin, images, a=png())
        assert (refusal.value.status, refusal.value.code) == (507, "storage_full")
        assert admin.project(images)["n_pool"] == 0
        assert upload(admin, images, a=png()) == {}


class TestTexts:
    def test_faulty_lines_have_numbers_and_do_not_stop_the_rest(
        self, admin: Client, text_project: int
    ) -> None:
        lines = [
            b'{"external_id": "n-1", "text": "good"}',
            b'{"external_id": "n-2", "text": " "}',
            b'{"external_id": "n-3", "text": "broken',
            b'{"external_id": "n-4", "text": "\xff\xfe"}',
            b'{"external_id": "n-5", "text": "x", "class": "nope"}',
            b'{"external_id": "n-6", "text": "x", "split": "evaluation"}',
            b'{"external_id": "n-1", "text": "other"}',
            b'{"external_id": "n-1", "text": "good"}',
            b'{"external_id": "n-9", "text": "' + b"x" * 10_000_000 + b'"}',
            b'{"external_id": "n-10", "text": "' + b"x" * 2_000_000 + b'"}',
            b'{"external_id": "n-11", "image_uri": "a.png"}',
            b'{"text": "nameless"}',
            b'{"external_id": "n-13", "text": "last"}',
        ]
        result = post_lines(admin, text_project, b"\n".join(lines))
        assert (result["n_created"], result["n_known"]) == (2, 1)
        assert {e["line"]: e["code"] for e in result["errors"]} == {
            2: "text_empty",
            3: "line_invalid",
            4: "line_not_utf8",
            5: "unknown_class",
            6: "evaluation_without_class",
            7: "external_id_conflict",
            9: "line_too_large",
            10: "text_too_large",
            11: "modality_mismatch",
            12: "line_invalid",
        }
        assert admin.project(text_project)["n_pool"] == 42

    def test_importing_again_changes_nothing_and_counts_the_known(
        self, admin: Client, text_project: int
    ) -> None:
        line = b'{"external_id": "t-0", "text": "text 0"}\n'
        result = post_lines(admin, text_project, line)
        counts = {
            "n_created": 0,
            "n_updated": 0,
            "n_known": 1,
            "n_failed": 0,
            "n_without_spaces": 0,
        }
        assert result == {**counts, "errors": []}

    def test_texts_in_scripts_without_spaces_are_counted(
        self, admin: Client, text_project: int
    ) -> None:
        texts = ["我喜欢这本书", "ฉันรัก", "한국어 문장", "été", "漢字 and words"]
        lines = [{"external_id": f"s-{k}", "text": one} for k, one in enumerate(texts)]
        assert admin.import_items(text_project, lines)["n_without_spaces"] == 3
        assert admin.import_items(text_project, lines)["n_without_spaces"] == 0  # all known

    def test_known_items_among_new_ones_leave_no_gap(
        self, admin: Client, text_project: int
    ) -> None:
        lines = [
            {"external_id": "new-1", "text": "one"},
            {"external_id": "t-3", "text": "text 3"},
            {"external_id": "t-4", "text": "something else"},
            {"external_id": "new-2", "text": "two"},
            {"external_id": "new-2", "text": "two"},
        ]
        counts = admin.import_items(text_project, lines)
        assert (counts["n_created"], counts["n_known"], counts["n_failed"]) == (2, 2, 1)
        assert [(e["line"], e["code"]) for e in counts["errors"]] == [(3, "external_id_conflict")]
        page = admin.request("GET", f"/projects/{text_project}/items?cursor=39").json()["items"]
        assert [(i["external_id"], i["index"]) for i in page] == [("new-1", 40), ("new-2", 41)]

    @pytest.mark.parametrize(
        ("limit", "n"), [("CHUNK_LINES", 2), ("CHUNK_BYTES", 60)], ids=["lines", "bytes"]
    )
    def test_chunks_keep_the_order_of_the_lines(
        self,
        admin: Client,
        text_project: int,
        monkeypatch: pytest.MonkeyPatch,
        limit: str,
        n: int,
    ) -> None:
        monkeypatch.setattr(f"app.api.ndjson.{limit}", n)
        sizes = []
        prepare = items.prepare_items

        def watched(project: Project, *given: Any) -> list[items.Prepared]:
            prepared = prepare(project, *given)
            sizes.append(len(prepared))
            return prepared

        monkeypatch.setattr("app.api.imports.prepare_items", watched)
        lines = [{"external_id": f"n-{i}", "text": f"text {i}"} for i in range(7)]
        lines[3] = lines[0]  # known from an earlier chunk
        lines[5] = {"external_id": "n-1", "text": "another"}
        counts = admin.import_items(text_project, lines)
        assert (counts["n_created"], counts["n_known"], counts["n_failed"]) == (5, 1, 1)
        assert [(e["line"], e["code"]) for e in counts["errors"]] == [(6, "external_id_conflict")]
        page = admin.request("GET", f"/projects/{text_project}/items?cursor=39").json()["items"]
        assert [i["external_id"] for i in page] == ["n-0", "n-1", "n-2", "n-4", "n-6"]
        assert sizes == [2, 2, 2, 1]

    def test_a_chunk_that_cannot_be_stored_ends_the_import(
        self, admin: Client, text_project: int, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.api.ndjson.CHUNK_LINES", 2)
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE items ADD CONSTRAINT no CHECK (text <> 'line 2')"))
        lines = [{"external_id": f"n-{i}", "text": f"line {i}"} for i in range(8)]
        lines.insert(0, {"external_id": "", "text": "refused"})
        with pytest.raises(ClientError) as refusal:
            admin.import_items(text_project, lines)
        assert (refusal.value.status, refusal.value.code) == (500, "internal_error")
        page = admin.request("GET", f"/projects/{text_project}/items?cursor=39").json()["items"]
        assert [i["external_id"] for i in page] == ["n-0"]

    def test_the_first_thousand_faults_are_those_of_the_first_lines(
        self, admin: Client, text_project: int
    ) -> None:
        empty, unread = b'{"external_id": "e", "text": ""}', b"no JSON"
        lines = [empty if i % 2 else unread for i in range(1, 1402)]
        counts = post_lines(admin, text_project, b"\n".join(lines))
        assert counts["n_failed"] == 1401
        assert [e["line"] for e in counts["errors"]] == list(range(1, 1001))

    def test_gzip_is_taken_and_a_cut_off_stream_says_so(
        self, admin: Client, text_project: int
    ) -> None:
        body = gzip.compress(b'{"external_id": "z", "text": "packed"}\n')
        sent = {"Content-Encoding": "gzip"}
        assert post_lines(admin, text_project, body, **sent)["n_created"] == 1
        for damaged in (body[:-5], b"no gzip"):
            with pytest.raises(ClientError) as refusal:
                post_lines(admin, text_project, damaged, **sent)
            assert (refusal.value.status, refusal.value.code) == (400, "body_invalid")

    def test_imported_classes_count_as_labeled_outside_the_budget(
        self, admin: Client, text_project: int
    ) -> None:
        post_lines(admin, text_project, b'{"external_id": "l", "text": "x", "class": "pos"}')
        project = admin.project(text_project)
        assert (project["n_imported"], project["n_labeled"]) == (1, 0)
        (label,) = admin.export_labels(text_project)
        assert (label["source"], label["class"]) == ("import", "pos")


class TestProjects:
    @pytest.mark.parametrize(
        ("change", "word"),
        [
            ({"classes": ["a", " a "]}, "same name"),
            ({"classes": ["a"]}, "two classes"),
            ({"strategy": "best"}, "least_confidence"),
            ({"initial_budget": 5}, "total_budget"),
            ({"proxy": {"model": "fasttext"}}, "preact8"),
            ({"proxy": {"model": "resnet"}}, "known are"),
            ({"target": {"model": "preact8", "recipe": {"epochs": 0}}}, "epochs"),
            ({"target": {"model": "preact8", "recipe": {"weights": "/etc/x.pth"}}}, "plain name"),
            ({"target": {"model": "preact8", "recipe": {"weights": "../x.pth"}}}, "plain name"),
            ({"proxy": {"model": "preact8", "recipe": {"weights": "a\\x.pth"}}}, "plain name"),
            ({"proxy": {"model": "preact8", "recipe": {"epochs": 100_000}}}, "epochs may be"),
            (
                {"target": {"model": "preact8", "recipe": {"image_size": 512, "minibatch": 65536}}},
                "make image_size or minibatch smaller",
            ),
        ],
    )
    def test_contradicting_settings_are_explained(
        self, admin: Client, change: dict[str, Any], word: str
    ) -> None:
        with pytest.raises(ClientError, match=word) as refusal:
            admin.create_project(name="p", **{**PROJECT, **change})
        assert (refusal.value.status, refusal.value.code) == (422, "project_invalid")

    def test_unknown_setting_is_refused(self, admin: Client) -> None:
        with pytest.raises(ClientError) as refusal:
            admin.create_project(name="p", **{**PROJECT, "budget": 3})
        assert refusal.value.code == "request_invalid"

    @pytest.mark.usefixtures("images")
    def test_name_in_use_is_refused(self, admin: Client) -> None:
        with pytest.raises(ClientError) as refusal:
            admin.create_project(name="images", **PROJECT)
        assert (refusal.value.status, refusal.value.code) == (409, "name_taken")

    def test_budget_larger_than_the_pool_is_refused_at_the_start(
        self, admin: Client, images: int
    ) -> None:
        upload(admin, images, a=png())
        with pytest.raises(ClientError, match="only 1 items") as refusal:
            admin.start(images)
        assert refusal.value.code == "project_not_startable"
        assert admin.project(images)["state"] == "draft"


class TestValues:
    @pytest.mark.parametrize(
        ("method", "path", "body", "status"),
        [
            ("GET", "/projects/{huge}", None, 422),
            ("GET", "/projects/{project}/items/{huge}", None, 422),
            ("GET", "/projects/{project}/next-batch?annotator=a%00b", None, 422),
            ("POST", "/projects/{project}/skips", {"item_ids": [2**80], "reason": "x"}, 422),
            ("POST", "/tokens", {"name": "ada", "project_id": 99}, 404),
            ("POST", "/tokens", {"name": "a\x00"}, 422),
        ],
    )
    def test_what_no_column_holds_is_refused(
        self,
        make_client: Callable[..., Client],
        admin: Client,
        text_project: int,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        status: int,
    ) -> None:
        admin.start(text_project)
        tool = make_client("tool", Role.ADMIN, act_as=True)
        with pytest.raises(ClientError) as refusal:
            tool.request(method, path.format(huge=2**80, project=text_project), json=body)
        assert refusal.value.status == status


class TestImageUris:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        root = tmp_path / "images"
        root.mkdir()
        (root / "a.png").write_bytes(png())
        (tmp_path / "secret.png").write_bytes(png())
        (root / "link.png").symlink_to(tmp_path / "secret.png")
        return root

    @pytest.fixture
    def server(self) -> Iterator[int]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(302 if self.path == "/away" else 200)
                self.send_header("Location", "/a.png")
                self.end_headers()
                if self.path != "/large":
                    self.wfile.write(png())
                    return
                for _ in range(40_000):
                    self.wfile.write(bytes(1000))

            def log_message(self, *_: object) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield server.server_port
            server.shutdown()
            thread.join()

    def test_files_inside_a_root_are_read(self, folder: Path, settings: Settings) -> None:
        allowed = settings.model_copy(update={"image_roots": (str(folder),)})
        assert read_image_uri("a.png", allowed) == png()
        assert read_image_uri(str(folder / "a.png"), allowed) == png()

    @pytest.mark.parametrize(
        "uri",
        [
            "../secret.png",
            "/etc/passwd",
            "link.png",
            "file:///etc/passwd",
            "ftp://host/a.png",
            "http://unlisted.example/a.png",
            "http://localhost:{port}/a.png",
            "http://169.254.169.254/latest",
            "s3://bucket/a.png",
        ],
    )
    def test_everything_else_is_refused(
        self, folder: Path, settings: Settings, server: int, uri: str
    ) -> None:
        allowed = settings.model_copy(
            update={"image_roots": (str(folder),), "image_hosts": ("localhost",)}
        )
        with pytest.raises(ItemInvalid) as refusal:
            read_image_uri(uri.format(port=server), allowed)
        assert refusal.value.item_code == "image_uri_not_allowed"
        assert "SVP_IMAGE_ROOTS" in refusal.value.detail

    def test_listed_address_is_read_and_redirects_are_not_followed(
        self, settings: Settings, server: int
    ) -> None:
        allowed = settings.model_copy(update={"image_hosts": (f"127.0.0.1:{server}",)})
        assert read_image_uri(f"http://127.0.0.1:{server}/a.png", allowed) == png()
        with pytest.raises(ItemInvalid) as refusal:
            read_image_uri(f"http://127.0.0.1:{server}/away", allowed)
        assert refusal.value.item_code == "image_not_found"

    def test_a_large_image_is_read_in_a_time_that_grows_with_its_size_only(
        self, settings: Settings, server: int
    ) -> None:
        host = f"127.0.0.1:{server}"
        limits = {"image_hosts": (host,), "max_image_bytes": 40_000_000}
        allowed, started = settings.model_copy(update=limits), time.thread_time()
        assert len(read_image_uri(f"http://{host}/large", allowed)) == 40_000_000
        assert time.thread_time() - started < 4  # 0.1 s; copied at every piece: over 15 s
        short = allowed.model_copy(update={"max_image_bytes": 39_999_999})
        with pytest.raises(ItemInvalid, match="more than 39999999 bytes"):
            read_image_uri(f"http://{host}/large", short)
