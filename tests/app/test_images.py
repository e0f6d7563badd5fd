"""Images: each fault has its code, the bytes come back, damage is repaired."""

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from app.config import Settings
from svp_client import Client, ClientError
from tests.app.conftest import png
from tests.app.items import upload


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
