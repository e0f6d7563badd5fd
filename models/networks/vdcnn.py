"""Very deep convolutional networks on characters.

Source: Conneau et al. 2017, without the optional shortcuts; depths, initialisation (He's, fan-in)
and the trained row of the padding as in the published code of Selection via Proxy. Difference: the
first convolution has a bias, which that code leaves out; the batch norm after the next convolution
cancels nearly all of it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.catalog import ModelSetup
from models.data.arrays import InputSpec
from models.data.characters import PADDING, VOCABULARY_SIZE
from models.networks.network import Network
from models.recipe import Downsampling, Recipe

EMBEDDING = 16
WIDTHS = (64, 128, 256, 512)
K_MAX = 8
HIDDEN = 2048


class ConvolutionBlock(nn.Module):
    """Two convolutions over 3 characters, each followed by batch norm and ReLU."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm1d(n_out)
        self.conv2 = nn.Conv1d(n_out, n_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm1d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, n_out, length / stride]."""
        x = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(x)))


class HalveByKMax(nn.Module):
    """Keeps the larger half of the values along the text, in their order."""

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, d, floor(length / 2)]."""
        return k_max(x, x.shape[2] // 2)


class Vdcnn(Network):
    """Four widths of convolution blocks on embedded characters; features are 2048-d."""

    n_features = HIDDEN

    def __init__(
        self,
        blocks_per_width: tuple[int, int, int, int],
        recipe: Recipe,
        n_classes: int,
    ) -> None:
        super().__init__()
        self.max_chars, downsampling = recipe.max_chars, recipe.downsampling
        self.embedding = nn.Embedding(VOCABULARY_SIZE, EMBEDDING)
        self.stem = nn.Conv1d(EMBEDDING, WIDTHS[0], 3, padding=1)
        layers: list[nn.Module] = []
        n_in = WIDTHS[0]
        for width, n_blocks in zip(WIDTHS, blocks_per_width, strict=True):
            halves = width != WIDTHS[0]
            if halves and downsampling is not Downsampling.CONV:
                layers.append(_pooling(downsampling))
            for block in range(n_blocks):
                strides = halves and block == 0 and downsampling is Downsampling.CONV
                layers.append(ConvolutionBlock(n_in, width, 2 if strides else 1))
                n_in = width
        self.layers = nn.Sequential(*layers)
        self.hidden1 = nn.Linear(WIDTHS[-1] * K_MAX, HIDDEN)
        self.hidden2 = nn.Linear(HIDDEN, HIDDEN)
        self.linear = nn.Linear(HIDDEN, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv1d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")

    def features(self, *inputs: Tensor) -> Tensor:
        """Return [n, 2048] from character ids and offsets (models.data.arrays.Texts)."""
        ids, offsets = inputs
        characters = pad_texts(ids, offsets, self.max_chars)
        x = self.layers(self.stem(self.embedding(characters).transpose(1, 2)))
        x = functional.relu(self.hidden1(k_max(x, K_MAX).flatten(1)))
        return functional.relu(self.hidden2(x))

    def head(self, features: Tensor) -> Tensor:
        """Return the logits of features, [n, C]."""
        return self.linear(features)


def _pooling(downsampling: Downsampling) -> nn.Module:
    if downsampling is Downsampling.MAX_POOL:
        return nn.MaxPool1d(3, stride=2, padding=1)
    return HalveByKMax()


def k_max(x: Tensor, k: int) -> Tensor:
    """Return the k largest values along the last dimension, in their order."""
    positions = x.topk(k, dim=-1, sorted=False).indices.sort(dim=-1).values
    return x.gather(-1, positions)


def pad_texts(ids: Tensor, offsets: Tensor, length: int) -> Tensor:
    """Return flat ids as [n, length]: text r is ids[offsets[r]:offsets[r + 1]], cut or padded."""
    if len(ids) == 0:
        return torch.full((len(offsets), length), PADDING, device=ids.device)
    ends = torch.cat([offsets[1:], offsets.new_full((1,), len(ids))])
    places = offsets[:, None] + torch.arange(length, device=ids.device)
    padded = ids[places.clamp(max=len(ids) - 1)]
    return padded.masked_fill(places >= ends[:, None], PADDING)


def vdcnn9(setup: ModelSetup, _spec: InputSpec, n_classes: int) -> Vdcnn:
    """Return the network with one block per width."""
    return Vdcnn((1, 1, 1, 1), setup.recipe, n_classes)


def vdcnn17(setup: ModelSetup, _spec: InputSpec, n_classes: int) -> Vdcnn:
    """Return the network with two blocks per width."""
    return Vdcnn((2, 2, 2, 2), setup.recipe, n_classes)


def vdcnn29(setup: ModelSetup, _spec: InputSpec, n_classes: int) -> Vdcnn:
    """Return the network with 14 blocks: the paper's target on Amazon reviews."""
    return Vdcnn((5, 5, 2, 2), setup.recipe, n_classes)


def vdcnn49(setup: ModelSetup, _spec: InputSpec, n_classes: int) -> Vdcnn:
    """Return the network with 24 blocks."""
    return Vdcnn((8, 8, 5, 3), setup.recipe, n_classes)
