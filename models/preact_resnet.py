"""Pre-activation ResNets for small images.

Source: He et al. 2016 (v2); widths and depths of Selection via Proxy. Difference: images are
normalised by the training set's own mean and deviation, kept in the network, where the paper used
constants of the whole data set.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.data.arrays import Images, Inputs, InputSpec
from models.network import Network

WIDTHS = (16, 32, 64)


class PreactBlock(nn.Module):
    """Two 3x3 convolutions, each after batch norm and ReLU, beside a shortcut."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(n_in)
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        changes_shape = stride != 1 or n_in != n_out
        self.shortcut = nn.Conv2d(n_in, n_out, 1, stride, bias=False) if changes_shape else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output; the 1x1 shortcut takes the pre-activated input."""
        active = functional.relu(self.norm1(x))
        residual = x if self.shortcut is None else self.shortcut(active)
        out = self.conv2(functional.relu(self.norm2(self.conv1(active))))
        return out + residual


class PreactResNet(Network):
    """Three stages of pre-activation blocks on a 3x3 stem; features are 64-d."""

    mean: Tensor
    deviation: Tensor
    n_features = WIDTHS[-1]

    def __init__(self, blocks_per_stage: int, spec: InputSpec, n_classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, spec.channels, 1, 1))
        self.register_buffer("deviation", torch.ones(1, spec.channels, 1, 1))
        self.stem = nn.Conv2d(spec.channels, WIDTHS[0], 3, padding=1, bias=False)
        blocks = []
        n_in = WIDTHS[0]
        for stage, width in enumerate(WIDTHS):
            for block in range(blocks_per_stage):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(PreactBlock(n_in, width, stride))
                n_in = width
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(n_in)
        self.linear = nn.Linear(n_in, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def fit_normalisation(self, inputs: Inputs) -> None:
        """Set mean and deviation of each channel, in units of 0..255."""
        assert isinstance(inputs, Images)  # noqa: S101 - the registry checks the modality
        pixels = inputs.pixels.reshape(-1, inputs.spec.channels).astype("float64")
        device = self.mean.device
        self.mean = torch.tensor(pixels.mean(0), device=device).float().view(1, -1, 1, 1)
        deviation = torch.tensor(pixels.std(0), device=device).float().clamp_min(1.0)
        self.deviation = deviation.view(1, -1, 1, 1)

    def features(self, *inputs: Tensor) -> Tensor:
        """Return [n, 64] from uint8 images [n, C, H, W]."""
        (images,) = inputs
        x = (images.float() - self.mean) / self.deviation
        x = self.blocks(self.stem(x.contiguous(memory_format=torch.channels_last)))
        return functional.relu(self.norm(x)).mean(dim=(2, 3))

    def head(self, features: Tensor) -> Tensor:
        """Return the logits of features, [n, C]."""
        return self.linear(features)


def preact8(spec: InputSpec, n_classes: int) -> PreactResNet:
    """Return the network with one block per stage."""
    return PreactResNet(1, spec, n_classes)


def preact20(spec: InputSpec, n_classes: int) -> PreactResNet:
    """Return the network with three blocks per stage."""
    return PreactResNet(3, spec, n_classes)


def preact56(spec: InputSpec, n_classes: int) -> PreactResNet:
    """Return the network with nine blocks per stage."""
    return PreactResNet(9, spec, n_classes)
