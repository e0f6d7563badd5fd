"""Turns a decoded image file of any mode into the grey or RGB picture that models learn from.

The service, packing and prediction all use this: upright, 8 bits a channel, transparency over
white, the first frame of an animation.
"""

import numpy as np
from PIL import Image

from models.orientation import upright

GREY = frozenset({"1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N"})
COLOUR = frozenset({"P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"})
DEEP_GREY = frozenset({"I;16", "I;16B", "I;16L", "I;16N"})
WHITE = (255, 255, 255, 255)


def channels_of(mode: str) -> int | None:
    """Return 1 (grey) or 3 (colour) for a mode of Pillow's; None: its values have no known range.

    Modes I and F hold numbers of 32 bits, of which nobody says what is black and what is white;
    LAB and HSV are not read.
    """
    if mode in GREY:
        return 1
    return 3 if mode in COLOUR else None


def picture_of(image: Image.Image, channels: int) -> Image.Image:
    """Return the image in mode L (1 channel) or RGB (3), upright as its EXIF data say."""
    flat = _opaque(_shallow(image))
    return upright(flat.convert("L" if channels == 1 else "RGB"), image.info)


def _shallow(image: Image.Image) -> Image.Image:
    """Return the image with 8 bits a channel: of 16 the upper ones, as for colour."""
    if image.mode not in DEEP_GREY:
        return image
    deep = np.asarray(image, np.uint16)
    return Image.fromarray((deep >> 8).astype(np.uint8))


def _opaque(image: Image.Image) -> Image.Image:
    """Return the image over white, as browsers show it, if parts of it are transparent."""
    if not image.has_transparency_data:
        return image
    layered = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, WHITE), layered)
