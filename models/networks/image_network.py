"""The base of networks on images, which normalise uint8 pixels themselves."""

import numpy as np
import torch
from torch import Tensor

from models.data.arrays import Images, Inputs
from models.networks.network import Network

CHUNK_BYTES = 2**24
LARGEST_SAMPLE_BYTES = 2**31


class ImageNetwork(Network):
    """Keeps each channel's mean and deviation, in units of 0..255, beside the weights.

    Difference from the paper, which used constants of the whole data set: they are the training
    set's own. Of more than 2 GiB of pixels, evenly spaced images stand for all.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("deviation", torch.ones(1, channels, 1, 1))

    def fit_normalisation(self, inputs: Inputs) -> None:
        """Set mean and deviation of each channel; a constant channel gets the deviation 1."""
        assert isinstance(inputs, Images)  # noqa: S101 - `build` checks the modality
        mean, deviation = channel_statistics(inputs)
        self.set_normalisation(mean, np.maximum(deviation, 1.0))

    def set_normalisation(self, mean: np.ndarray, deviation: np.ndarray) -> None:
        """Set mean and deviation, [channels] each, in units of 0..255."""
        with torch.no_grad():
            self.mean.copy_(torch.from_numpy(mean).view(1, -1, 1, 1))
            self.deviation.copy_(torch.from_numpy(deviation).view(1, -1, 1, 1))

    def normalised(self, images: Tensor) -> Tensor:
        """Return uint8 images [n, C, H, W] as float32 in channels-last order."""
        x = (images.float() - self.mean) / self.deviation
        return x.contiguous(memory_format=torch.channels_last)


def channel_statistics(images: Images) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of each channel, float64 [C]; exact sums of whole numbers."""
    n, channels = len(images), images.spec.channels
    image_bytes = images.pixels[:1].nbytes
    every = -(-n * image_bytes // LARGEST_SAMPLE_BYTES)
    step = max(1, CHUNK_BYTES // image_bytes) * every
    total, squares = np.zeros((2, channels), np.int64)
    n_values = 0
    for start in range(0, n, step):
        values = images.pixels[start : start + step : every].reshape(-1, channels)
        n_values += len(values)
        for channel in range(channels):
            counts = np.bincount(values[:, channel], minlength=256)
            total[channel] += counts @ np.arange(256)
            squares[channel] += counts @ np.arange(256) ** 2
    mean = total / n_values
    # The variance in whole numbers: no cancellation, whatever the mean.
    scaled = [int(q) * n_values - int(t) ** 2 for q, t in zip(squares, total, strict=True)]
    return mean, np.sqrt(np.array([float(v) for v in scaled])) / n_values
