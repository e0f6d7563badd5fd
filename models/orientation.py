"""Turns images upright as the EXIF data of their files say, like browsers."""

from collections.abc import Mapping
from typing import Any

from PIL import ExifTags, Image

Turn = Image.Transpose
TURNS: Mapping[int, Image.Transpose] = {
    2: Turn.FLIP_LEFT_RIGHT,
    3: Turn.ROTATE_180,
    4: Turn.FLIP_TOP_BOTTOM,
    5: Turn.TRANSPOSE,
    6: Turn.ROTATE_270,
    7: Turn.TRANSVERSE,
    8: Turn.ROTATE_90,
}
LYING = frozenset({5, 6, 7, 8})  # width and height swap


def orientation(info: Mapping[Any, Any]) -> int:
    """Return the EXIF orientation 1..8 of a loaded image's `info`; 1 without readable EXIF data.

    Only EXIF data count: browsers take no orientation from XMP.
    """
    data = info.get("exif")
    if not isinstance(data, bytes):
        return 1
    exif = Image.Exif()
    try:
        exif.load(data)
        found = exif.get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - damaged EXIF data raise almost anything
        return 1
    return int(found) if found in TURNS else 1


def upright(image: Image.Image, info: Mapping[Any, Any]) -> Image.Image:
    """Return the image turned as the EXIF data of `info` say."""
    turn = TURNS.get(orientation(info))
    return image if turn is None else image.transpose(turn)
