"""Decodes image files to the fixed size that a network takes."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.picture import picture_of

# What Pillow raises for files that are damaged, truncated or not images.
UNDECODABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def decode_image(data: bytes, size: int, channels: int) -> npt.NDArray[np.uint8]:
    """Return the image as uint8 [size, size, channels], upright as its EXIF data say.

    An image of another size is scaled (bilinear) to cover the square and cropped at its centre.
    `channels` is 1 (grey) or 3 (RGB). Nothing is checked here: images were inspected when they were
    imported.
    """
    with Image.open(io.BytesIO(data)) as image:
        picture = picture_of(image, channels)
    if picture.size != (size, size):
        scale = size / min(picture.size)
        width, height = (max(size, round(side * scale)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        left, top = (width - size) // 2, (height - size) // 2
        picture = picture.crop((left, top, left + size, top + size))
    return np.asarray(picture, np.uint8).reshape(size, size, channels)
