"""Whether labeled images show that mirroring is harmless."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from models.data.mirroring import is_mirroring_harmless


def blobs(n: int, *, is_symmetric: bool, side: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy images of two classes: bright above or below, or else left or right."""
    rng = np.random.default_rng(0)
    labels = np.arange(n, dtype=np.int64) % 2
    pixels = rng.integers(0, 80, (n, side, side, 1)).astype(np.uint8)
    for row, label in enumerate(labels):
        half = slice(side // 2 * label, side // 2 * (label + 1))
        if is_symmetric:
            pixels[row, half] += 100
        else:
            pixels[row, :, half] += 100
    return pixels, labels


@pytest.mark.parametrize("is_symmetric", [True, False])
def test_it_is_harmless_where_classes_stay(is_symmetric: bool) -> None:
    pixels, labels = blobs(200, is_symmetric=is_symmetric)
    assert is_mirroring_harmless(pixels, labels) == is_symmetric


@pytest.mark.parametrize("n", [20, 100, 400, 1797])
def test_digits_are_never_mirrored(n: int) -> None:
    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    assert not is_mirroring_harmless(pixels[:n], digits.target[:n].astype(np.int64))


def test_noise_shows_nothing() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (500, 12, 12, 3), dtype=np.uint8)
    assert not is_mirroring_harmless(pixels, rng.integers(0, 2, 500))


@pytest.mark.parametrize("n", [0, 1, 5])
def test_images_of_one_class_show_nothing(n: int) -> None:
    assert not is_mirroring_harmless(np.zeros((n, 8, 8, 1), np.uint8), np.zeros(n, np.int64))
