"""Checks whole images before they are stored, and refuses unreadable ones."""

import hashlib
import io
import warnings
from dataclasses import dataclass, replace

from PIL import Image, UnidentifiedImageError

from app.config import Settings
from app.db.queries import items as queries
from app.db.tables import Item
from app.domain.errors import ArtifactMissing, ItemInvalid
from app.services.image_uris import read_image_uri
from app.storage.artifacts import ArtifactStore
from models.orientation import LYING, orientation

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
CHANNELS = {"1": 1, "L": 1, "P": 3, "RGB": 3, "YCbCr": 3}
DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
MEDIA_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"BM": "image/bmp"}


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
                facts = _check_header(image, settings)
                image.load()
                if orientation(image.info) in LYING:
                    facts = replace(facts, width=facts.height, height=facts.width)
        except UnidentifiedImageError:
            raise ItemInvalid(
                "image_not_decodable",
                f"The file is no image that is taken; send one of {', '.join(FORMATS)}.",
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
    return "image/webp"


def _check_header(image: Image.Image, settings: Settings) -> ImageFacts:
    """Check what the header claims, before a pixel is decoded."""
    width, height = image.size
    if width * height > settings.max_image_pixels:
        raise _too_many_pixels(f"{width} x {height}", settings)
    if min(width, height) < 2:
        raise ItemInvalid(
            "image_too_small", f"The image is {width} x {height}; at least 2 x 2 is needed."
        )
    if image.mode in DEEP_MODES or _is_deep(image):
        raise ItemInvalid(
            "image_depth_unsupported",
            "The image has more than 8 bits a channel; convert it to 8-bit RGB or grey.",
        )
    if image.mode not in CHANNELS or "transparency" in image.info:
        raise ItemInvalid(
            "image_channels_unsupported",
            f"The image has the mode {image.mode} (transparency or more than 3 channels); "
            "convert it to 8-bit RGB or grey.",
        )
    return ImageFacts(width, height, CHANNELS[image.mode])


def _is_deep(image: Image.Image) -> bool:
    """Return whether 16 bits are stored: Pillow silently reads 16-bit RGB as 8-bit."""
    return any("16" in str(tile[3]) for tile in getattr(image, "tile", []))


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
