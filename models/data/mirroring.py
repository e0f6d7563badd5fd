"""Whether images may be mirrored in training, told from the labeled images alone.

A mirrored photo of a dog shows a dog, a mirrored 2 shows no digit. The nearest labeled image often
tells an image's class; where it tells the mirrored image's class as often, mirroring is harmless.
"""

import numpy as np
import numpy.typing as npt

from models.data.types import FloatArray, IntArray

MOST_IMAGES = 2000
SIDE = 16  # pixels that are compared
LOWEST_RATIO = 0.8  # of what the neighbours know beyond chance, that the mirrored images must keep
Z = 1.645  # one-sided 95%


def is_mirroring_harmless(pixels: npt.NDArray[np.uint8], labels: IntArray) -> bool:
    """Return whether the labels show that mirroring leaves the classes as they are.

    The first MOST_IMAGES are looked at. False where they are too few to show it.

    Args:
        pixels: [n, H, W, C].
        labels: class indices, [n].
    """
    pixels, labels = pixels[:MOST_IMAGES], labels[:MOST_IMAGES]
    if len(np.unique(labels)) < 2:
        return False
    images = _small(pixels)
    n = len(images)
    mirrored = images[:, :, ::-1]
    is_right = labels[_nearest(images, images)] == labels
    is_right_mirrored = labels[_nearest(mirrored, images)] == labels
    chance = float(np.square(np.bincount(labels) / n).sum())
    # Of each image: what it keeps when it is mirrored, less the share that it must keep.
    kept = (is_right_mirrored - chance) - LOWEST_RATIO * (is_right - chance)
    return bool(kept.mean() > Z * kept.std() / np.sqrt(n))


def _small(pixels: npt.NDArray[np.uint8]) -> FloatArray:
    """Return the images scaled to at most SIDE pixels by their means, [n, h, w, C]."""
    _, height, width, _ = pixels.shape
    down, across = max(1, height // SIDE), max(1, width // SIDE)
    kept = pixels[:, : height // down * down, : width // across * across].astype(np.float32)
    n, h, w, channels = kept.shape
    return kept.reshape(n, h // down, down, w // across, across, channels).mean(axis=(2, 4))


def _nearest(images: FloatArray, among: FloatArray) -> IntArray:
    """Return the row of the nearest other image of each, [n]; not that of the same row."""
    flat, others = (values.reshape(len(values), -1) for values in (images, among))
    squared = np.square(others).sum(axis=1)[None, :] - 2 * flat @ others.T
    np.fill_diagonal(squared, np.inf)
    nearest: IntArray = squared.argmin(axis=1).astype(np.int64)
    return nearest
