"""Images: each fault has its code, the bytes come back, damage is repaired."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.config import Settings
from app.domain.errors import ItemInvalid
from app.services.images import inspect_image, media_type
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


HEIC = b"\0\0\0\x18ftypheic" + bytes(40)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


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
            numbers=saved(Image.new("F", (8, 8)), "TIFF"),
            photo=HEIC,
            huge=png_header(30_000, 30_000),
        )
        assert codes == {
            "empty": "image_not_decodable",
            "text": "image_not_decodable",
            "cut_off": "image_not_decodable",
            "dot": "image_too_small",
            "numbers": "image_mode_unsupported",
            "photo": "image_not_decodable",
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


class TestKinds:
    """Images that Pillow can read are taken; the others are named."""

    def test_kinds_and_modes_that_people_have_are_taken(self, admin: Client, images: int) -> None:
        frames = [Image.new("RGB", (6, 4), colour) for colour in ("red", "blue")]
        moving = {"save_all": True, "append_images": frames[1:]}
        files = {
            "cmyk.jpg": saved(Image.new("CMYK", (6, 4)), "JPEG"),
            "alpha.png": png(6, 4, "RGBA"),
            "grey-alpha.png": png(6, 4, "LA"),
            "palette.png": png(6, 4, "P"),
            "deep.png": png(6, 4, "I;16"),
            "deep.tif": saved(Image.new("I;16", (6, 4)), "TIFF"),
            "scan.tif": saved(frames[0], "TIFF", **moving),
            "moving.gif": saved(frames[0], "GIF", **moving),
            "moving.webp": saved(frames[0], "WEBP", lossless=True, **moving),
            "moving.png": saved(frames[0], "PNG", **moving),
            "new.avif": saved(frames[0], "AVIF"),
        }
        assert upload(admin, images, **files) == {}
        assert admin.project(images)["n_pool"] == len(files)

    def test_the_types_that_are_served_are_those_of_the_files(self) -> None:
        picture = Image.new("RGB", (6, 4))
        for kind in ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "GIF", "BMP"):
            assert media_type(saved(picture, kind)) == f"image/{kind.lower()}"

    def test_what_cannot_be_read_is_called_by_its_name(self, settings: Settings) -> None:
        for data, name in (
            (HEIC, "HEIC"),
            (b"%PDF-1.7 ...", "PDF"),
            (b"<svg xmlns='x'></svg>", "SVG"),
            (bytes(128) + b"DICM", "DICOM"),
        ):
            with pytest.raises(ItemInvalid, match=f"The file is {name}.*send one of PNG"):
                inspect_image(data, settings)

    def test_a_browser_gets_a_tiff_as_png_and_a_program_its_bytes(
        self, admin: Client, images: int
    ) -> None:
        scan = saved(Image.new("RGB", (6, 4), "red"), "TIFF")
        upload(admin, images, scan=scan)
        (item,) = admin.items(images)
        url = item["content"]["image_url"]
        assert url is not None
        shown = admin._http.get(url)  # noqa: SLF001 - without a token
        assert shown.headers["content-type"] == "image/png"
        with Image.open(io.BytesIO(shown.content)) as picture:
            assert picture.getpixel((0, 0)) == (255, 0, 0)
        assert admin.image(images, item["item_id"]) == scan

    def test_sizes_are_those_of_the_upright_picture(self, settings: Settings) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6  # lies on its side
        for kind in ("JPEG", "TIFF", "WEBP", "PNG", "AVIF"):
            facts = inspect_image(saved(Image.new("RGB", (6, 4)), kind, exif=exif), settings)
            assert (facts.width, facts.height) == (4, 6), kind
