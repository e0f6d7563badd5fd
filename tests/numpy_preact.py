"""A pre-activation ResNet's forward pass in numpy alone, float64: an independent second opinion.

Reads the stored safetensors; knows nothing of torch or of models/.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Weights = Mapping[str, npt.NDArray[np.float32]]
EPSILON = 1e-5  # of batch norm


def probabilities(weights: Weights, images: npt.NDArray[np.uint8]) -> Array:
    """Return class probabilities [n, C] of uint8 images [n, H, W, channels]."""
    x = images.astype(np.float64).transpose(0, 3, 1, 2)
    x = (x - weights["mean"]) / weights["deviation"]
    x = _convolve(x, weights["stem.weight"], 1)
    n_blocks = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    for block in range(n_blocks):
        x = _block(x, weights, f"blocks.{block}.")
    features = np.maximum(_normalise(x, weights, "norm"), 0).mean(axis=(2, 3))
    logits = features @ weights["linear.weight"].T.astype(np.float64) + weights["linear.bias"]
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def _block(x: Array, weights: Weights, prefix: str) -> Array:
    active = np.maximum(_normalise(x, weights, f"{prefix}norm1"), 0)
    widens = f"{prefix}shortcut.weight" in weights
    first = weights[f"{prefix}conv1.weight"]
    stride = 2 if widens and first.shape[0] > first.shape[1] else 1
    residual = _convolve(active, weights[f"{prefix}shortcut.weight"], stride) if widens else x
    out = np.maximum(_normalise(_convolve(active, first, stride), weights, f"{prefix}norm2"), 0)
    return _convolve(out, weights[f"{prefix}conv2.weight"], 1) + residual


def _normalise(x: Array, weights: Weights, name: str) -> Array:
    mean, variance, scale, shift = (
        weights[f"{name}.{part}"].astype(np.float64)[None, :, None, None]
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return np.asarray((x - mean) / np.sqrt(variance + EPSILON) * scale + shift)


def _convolve(x: Array, kernel: npt.NDArray[np.float32], stride: int) -> Array:
    """Return the cross-correlation of [n, in, H, W] with [out, in, k, k], zero-padded by k // 2."""
    size = kernel.shape[-1]
    pad = size // 2
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]
    out = np.tensordot(windows, kernel.astype(np.float64), axes=([1, 4, 5], [1, 2, 3]))
    return np.ascontiguousarray(out.transpose(0, 3, 1, 2))
