"""Checks whole images before they are stored, and refuses unreadable ones."""

import hashlib
import io
import warnings
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from app.config import Settings
from app.db.queries import items as queries
from app.db.tables import Item
from app.domain.errors import ArtifactMissing, ItemInvalid
from app.services.image_uris import read_image_uri
from app.storage.artifacts import ArtifactStore
from models.orientation import LYING, orientation
from models.picture import channels_of, picture_of

TIFF = "image/tiff"  # browsers do not show it
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "GIF", "BMP")
MEDIA_TYPES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
    b"II*\0": TIFF,
    b"MM\0*": TIFF,
    b"II+\0": TIFF,
    b"MM\0+": TIFF,
}
# What people take for images, by where and how it begins.
OTHER_KINDS = (
    (4, b"ftyphei", "HEIC"), (4, b"ftyphev", "HEIC"), (4, b"ftypmif1", "HEIF"),
    (0, b"%PDF", "PDF"), (0, b"<svg", "SVG"), (0, b"<?xml", "XML or SVG"), (0, b"8BPS", "PSD"),
    (128, b"DICM", "DICOM"), (0, b"\0\0\0\x0cjP", "JPEG 2000"), (0, b"\xff\x4f\xff", "JPEG 2000"),
    (0, b"\xff\x0a", "JPEG XL"), (0, b"\0\0\0\x0cJXL", "JPEG XL"),
)  # fmt: skip


@dataclass(frozen=True)
class ImageFacts:
    """Upright size in pixels and number of channels (1 grey, 3 colour) of an accepted image."""

    width: int
    height: int
    channels: int


def inspect_image(data: bytes, settings: Settings) -> ImageFacts:
    """Decode an image once to check it; return its facts.

    Raises:
        ItemInvalid: its code says what is wrong; the sentence says what to do.
    """
    if len(data) > settings.max_image_bytes:
        raise ItemInvalid(
            "image_too_large",
            f"The file has {len(data)} bytes; at most {settings.max_image_bytes} are taken. "
            "Scale the image down.",
        )
    with warnings.catch_warnings():
        # The limit on pixels below is ours and stricter than Pillow's.
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                channels = _check_header(image, settings)
                image.load()
                width, height = image.size  # a TIFF has been turned upright by now
                if orientation(image.info) in LYING:
                    width, height = height, width
                facts = ImageFacts(width, height, channels)
        except UnidentifiedImageError:
            raise ItemInvalid(
                "image_not_decodable",
                f"{_kind(data)} is no image that is taken; send one of {', '.join(FORMATS)}.",
            ) from None
        except Image.DecompressionBombError:
            raise _too_many_pixels("more", settings) from None
        except (OSError, SyntaxError, ValueError) as error:
            raise ItemInvalid(
                "image_not_decodable",
                f"The image is damaged or truncated ({error}); send the whole file again.",
            ) from None
    return facts


def media_type(data: bytes) -> str:
    """Return the media type of an accepted image by its first bytes."""
    for magic, name in MEDIA_TYPES.items():
        if data.startswith(magic):
            return name
    return "image/avif" if data[4:8] == b"ftyp" else "image/webp"


def for_browser(data: bytes) -> bytes:
    """Return an accepted image as browsers can show it: a TIFF as PNG, as models see it."""
    if media_type(data) != TIFF:
        return data
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        picture_of(image, channels_of(image.mode) or 3).save(buffer, "PNG")
    return buffer.getvalue()


def _kind(data: bytes) -> str:
    """Return what the file is, where that is known."""
    for start, magic, name in OTHER_KINDS:
        if data[start:].startswith(magic):
            return f"The file is {name}, which"
    return "The file"


def _check_header(image: Image.Image, settings: Settings) -> int:
    """Check what the header claims, before a pixel is decoded; return the channels."""
    width, height = image.size
    if width * height > settings.max_image_pixels:
        raise _too_many_pixels(f"{width} x {height}", settings)
    if min(width, height) < 2:
        raise ItemInvalid(
            "image_too_small", f"The image is {width} x {height}; at least 2 x 2 is needed."
        )
    channels = channels_of(image.mode)
    if channels is None:
        raise ItemInvalid(
            "image_mode_unsupported",
            f"The {image.format} image has the mode {image.mode}, of which nobody knows what is "
            "black and what is white; convert it to grey or RGB of 8 or 16 bits.",
        )
    return channels


def _too_many_pixels(size: str, settings: Settings) -> ItemInvalid:
    return ItemInvalid(
        "image_too_large",
        f"The image claims {size} pixels; at most {settings.max_image_pixels} in all are taken. "
        "Scale it down.",
    )


def read_image(store: ArtifactStore, settings: Settings, item: Item | queries.ItemContent) -> bytes:
    """Return the bytes of an image item, from the store or its URI.

    Raises:
        ArtifactMissing: they are gone, or not what was imported.
    """
    if item.content_hash is None:
        raise ArtifactMissing(f"Item {item.id} is a text and has no image.")
    if item.image_uri is None:
        return store.get(item.content_hash)
    try:
        data = read_image_uri(item.image_uri, settings)
    except ItemInvalid as error:
        raise ArtifactMissing(f"The image of item {item.id} is gone: {error.detail}") from None
    if hashlib.sha256(data).hexdigest() != item.content_hash:
        raise ArtifactMissing(
            f"The file behind {item.image_uri} has changed since item {item.id} was imported; "
            "put the old file back or import the new one under another external_id."
        )
    return data
