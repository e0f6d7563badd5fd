"""One picture of one content, whatever file it lies in."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.data.image import decode_image
from models.picture import channels_of, picture_of

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixel(image: Image.Image, channels: int = 3) -> list[int]:
    return list(np.asarray(picture_of(image, channels)).reshape(-1, channels)[0].tolist())


@pytest.mark.parametrize("kind", ["BMP", "GIF", "TIFF", "WEBP"])
@pytest.mark.parametrize("turn", [1, 3, 6, 8])
def test_lossless_kinds_give_the_same_pixels_and_turn_alike(kind: str, turn: int) -> None:
    image = Image.fromarray(PIXELS)
    exif = Image.Exif()
    exif[0x0112] = turn if kind in ("TIFF", "WEBP") else 1  # the others hold no orientation
    options: dict[str, Any] = {"TIFF": {"compression": "tiff_lzw"}, "WEBP": {"lossless": True}}
    data = saved(image, kind, **options.get(kind, {}), exif=exif)
    expected = decode_image(saved(image, "PNG", exif=exif), 4, 3)
    assert np.array_equal(decode_image(data, 4, 3), expected)


def test_transparency_lies_over_white() -> None:
    assert pixel(Image.new("RGBA", (2, 2), (255, 0, 0, 0))) == [255, 255, 255]
    assert pixel(Image.new("RGBA", (2, 2), (255, 0, 0, 255))) == [255, 0, 0]
    assert pixel(Image.new("RGBA", (2, 2), (0, 0, 0, 51))) == [204, 204, 204]
    assert pixel(Image.new("LA", (2, 2), (0, 0)), 1) == [255]
    hidden = Image.new("P", (2, 2), 0)
    hidden.info["transparency"] = 0
    assert pixel(hidden) == [255, 255, 255]
    keyed = Image.new("RGB", (2, 2), (1, 2, 3))
    keyed.info["transparency"] = (1, 2, 3)
    assert pixel(keyed) == [255, 255, 255]


def test_16_bits_keep_their_upper_half() -> None:
    deep = Image.fromarray(np.array([[0x80FF, 0], [0xFFFF, 0x00FF]], np.uint16))
    for kind in ("PNG", "TIFF"):
        data = saved(deep, kind)
        assert decode_image(data, 2, 1)[..., 0].tolist() == [[128, 0], [255, 0]]
        assert decode_image(data, 2, 3)[0, 0].tolist() == [128, 128, 128]


def test_cmyk_and_palettes_are_colours() -> None:
    assert pixel(Image.new("CMYK", (2, 2), (0, 255, 255, 0))) == [255, 0, 0]
    assert pixel(Image.new("RGB", (2, 2), (0, 0, 255)).quantize()) == [0, 0, 255]


def test_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "PNG", "TIFF", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert decode_image(data, 2, 3)[0, 0].tolist() == [255, 0, 0]


def test_modes_without_a_known_range_have_no_channels() -> None:
    assert [channels_of(mode) for mode in ("F", "I", "LAB", "HSV")] == [None] * 4
    assert [channels_of(mode) for mode in ("1", "L", "LA", "I;16")] == [1] * 4
    assert [channels_of(mode) for mode in ("P", "RGB", "RGBA", "CMYK")] == [3] * 4
