"""The training and scoring loops of the published code: a DataLoader of PIL images, plain torch.

Source: Selection via Proxy's public code, written anew: CIFAR images as PIL, RandomCrop and flip,
ToTensor, Normalize per image; minibatches collated; loss read at every step; no channels-last.
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from models.networks.network import Network
from models.recipe import Recipe


class PilImages(Dataset[tuple[Tensor, int]]):
    """Images and labels, decoded, cropped and normalised one by one."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray, padding: int, *, flip: bool) -> None:
        self.pixels, self.labels, self.padding, self.flip = pixels, labels, padding, flip
        channels = pixels.shape[3]
        self.mean = torch.tensor(pixels.mean((0, 1, 2)) / 255, dtype=torch.float32)
        self.deviation = torch.tensor(pixels.std((0, 1, 2)) / 255, dtype=torch.float32)
        self.mean, self.deviation = (v.view(channels, 1, 1) for v in (self.mean, self.deviation))

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        pixels = self.pixels[row]
        image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        if self.padding:
            image = self._crop(image)
        if self.flip and torch.rand(1).item() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        # As torchvision's ToTensor and Normalize.
        array = np.array(image, np.uint8, copy=True).reshape(pixels.shape)
        tensor = torch.from_numpy(array).permute(2, 0, 1).contiguous().to(torch.float32).div(255)
        return tensor.sub_(self.mean).div_(self.deviation), int(self.labels[row])

    def _crop(self, image: Image.Image) -> Image.Image:
        width, height = image.size
        pad = self.padding
        padded = Image.new(image.mode, (width + 2 * pad, height + 2 * pad))
        padded.paste(image, (pad, pad))
        top, left = (int(torch.randint(0, 2 * pad + 1, (1,)).item()) for _ in range(2))
        return padded.crop((left, top, left + width, top + height))


class Plain(nn.Module):
    """A network of ours fed with images that are already normalised, in NCHW."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def features(self, x: Tensor) -> Tensor:
        """Return the features of images normalised by the loader."""
        return self.network.features(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        return self.network.head(self.features(x))


def without_normalisation(network: Network) -> Plain:
    """Return the network taking float NCHW images as they are."""
    network.normalised = lambda images: images  # type: ignore[assignment]
    return Plain(network)


def train_epoch(
    network: nn.Module,
    images: PilImages,
    recipe: Recipe,
    *,
    workers: int = 0,
    device: str = "cpu",
) -> float:
    """Train one epoch as published and return the mean loss."""
    loader = DataLoader(
        images, recipe.minibatch, shuffle=True, num_workers=workers, pin_memory=device != "cpu"
    )
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=recipe.learning_rates[0],
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
    )
    criterion = nn.CrossEntropyLoss()
    network.train()
    total, right = 0.0, 0
    for batch, targets in loader:
        x, y = batch.to(device), targets.to(device)
        logits = network(x)
        loss = criterion(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
        right += int((logits.argmax(1) == y).sum().item())
    return total / len(images)


def score(network: Plain, images: PilImages, minibatch: int = 128) -> tuple[Tensor, Tensor]:
    """Return probabilities and features through a DataLoader."""
    network.eval()
    probs, features = [], []
    with torch.no_grad():
        for x, _ in DataLoader(images, minibatch):
            found = network.features(x)
            features.append(found)
            probs.append(torch.softmax(network.network.head(found), dim=1))
    return torch.cat(probs), torch.cat(features)
