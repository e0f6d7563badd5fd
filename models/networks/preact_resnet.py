"""Pre-activation ResNets for small images.

Source: He et al. 2016 (v2); widths and depths of Selection via Proxy.
"""

from torch import Tensor, nn
from torch.nn import functional

from models.catalog import ModelSetup
from models.data.arrays import InputSpec
from models.networks.image_network import ImageNetwork

WIDTHS = (16, 32, 64)


class PreactBlock(nn.Module):
    """Two 3x3 convolutions, each after batch norm and ReLU, beside a shortcut."""

    expansion = 1

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


class PreactBottleneck(nn.Module):
    """A 3x3 convolution between two 1x1 ones, each after batch norm and ReLU, beside a shortcut."""

    expansion = 4

    def __init__(self, n_in: int, width: int, stride: int) -> None:
        super().__init__()
        n_out = width * self.expansion
        self.norm1 = nn.BatchNorm2d(n_in)
        self.conv1 = nn.Conv2d(n_in, width, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, n_out, 1, bias=False)
        changes_shape = stride != 1 or n_in != n_out
        self.shortcut = nn.Conv2d(n_in, n_out, 1, stride, bias=False) if changes_shape else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output; the 1x1 shortcut takes the pre-activated input."""
        active = functional.relu(self.norm1(x))
        residual = x if self.shortcut is None else self.shortcut(active)
        out = self.conv2(functional.relu(self.norm2(self.conv1(active))))
        return self.conv3(functional.relu(self.norm3(out))) + residual


class PreactResNet(ImageNetwork):
    """Three stages of pre-activation blocks on a 3x3 stem; features are 64-d, or 256-d."""

    def __init__(
        self,
        block: type[PreactBlock | PreactBottleneck],
        blocks_per_stage: int,
        spec: InputSpec,
        n_classes: int,
    ) -> None:
        super().__init__(spec.channels)
        self.stem = nn.Conv2d(spec.channels, WIDTHS[0], 3, padding=1, bias=False)
        blocks = []
        n_in = WIDTHS[0]
        for stage, width in enumerate(WIDTHS):
            for position in range(blocks_per_stage):
                stride = 2 if stage > 0 and position == 0 else 1
                blocks.append(block(n_in, width, stride))
                n_in = width * block.expansion
        self.blocks = nn.Sequential(*blocks)
        self.n_features = n_in
        self.norm = nn.BatchNorm2d(n_in)
        self.linear = nn.Linear(n_in, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(self, *inputs: Tensor) -> Tensor:
        """Return [n, 64] ([n, 256] of bottlenecks) from uint8 images [n, C, H, W]."""
        (images,) = inputs
        x = self.blocks(self.stem(self.normalised(images)))
        return functional.relu(self.norm(x)).mean(dim=(2, 3))

    def head(self, features: Tensor) -> Tensor:
        """Return the logits of features, [n, C]."""
        return self.linear(features)


def preact8(_setup: ModelSetup, spec: InputSpec, n_classes: int) -> PreactResNet:
    """Return the network with one block per stage."""
    return PreactResNet(PreactBlock, 1, spec, n_classes)


def preact14(_setup: ModelSetup, spec: InputSpec, n_classes: int) -> PreactResNet:
    """Return the network with two blocks per stage."""
    return PreactResNet(PreactBlock, 2, spec, n_classes)


def preact20(_setup: ModelSetup, spec: InputSpec, n_classes: int) -> PreactResNet:
    """Return the network with three blocks per stage."""
    return PreactResNet(PreactBlock, 3, spec, n_classes)


def preact32(_setup: ModelSetup, spec: InputSpec, n_classes: int) -> PreactResNet:
    """Return the network with five blocks per stage."""
    return PreactResNet(PreactBlock, 5, spec, n_classes)


def preact56(_setup: ModelSetup, spec: InputSpec, n_classes: int) -> PreactResNet:
    """Return the network with nine blocks per stage."""
    return PreactResNet(PreactBlock, 9, spec, n_classes)


def preact110(_setup: ModelSetup, spec: InputSpec, n_classes: int) -> PreactResNet:
    """Return the network with 18 blocks per stage."""
    return PreactResNet(PreactBlock, 18, spec, n_classes)


def preact164(_setup: ModelSetup, spec: InputSpec, n_classes: int) -> PreactResNet:
    """Return the network with 18 bottlenecks per stage: the paper's target on CIFAR."""
    return PreactResNet(PreactBottleneck, 18, spec, n_classes)
