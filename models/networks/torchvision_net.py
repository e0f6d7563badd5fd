"""torchvision's networks for images of ImageNet's size: the paper's, and those of its Figure 8.

Differences: auxiliary heads are off, and SqueezeNet averages before its last layer and has no ReLU
on its logits, so that the layer is linear in the features.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.catalog import ModelSetup
from models.data.arrays import InputSpec
from models.networks.image_network import ImageNetwork

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# These two have auxiliary heads, and their published weights take pixels in -1..1.
INCEPTIONS = frozenset({"inception_v3", "googlenet"})
# Published weights of DenseNet still have the names that torchvision gave up in 2017.
OLD_DENSENET_NAME = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)")


class TorchvisionNet(ImageNetwork):
    """One of torchvision's classifiers, with its last layer apart; grey images count as colour."""

    def __init__(self, name: str, spec: InputSpec, n_classes: int) -> None:
        super().__init__(spec.channels)
        self.name = name
        self.body = _make(name, n_classes)
        self.head_name, self.linear = _take_last_layer(self.body)
        self.n_features = self.linear.in_features

    def features(self, *inputs: Tensor) -> Tensor:
        """Return [n, d] from uint8 images [n, C, H, W]."""
        (images,) = inputs
        x = self.normalised(images)
        return self.body(x.expand(-1, 3, -1, -1))

    def head(self, features: Tensor) -> Tensor:
        """Return the logits of features, [n, C]."""
        return self.linear(features)

    def from_published(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return torchvision's weights under this network's names, with their normalisation."""
        if "linear.weight" in tensors:
            return dict(tensors)  # saved by TrainedModel.save
        named = {}
        for name, tensor in tensors.items():
            if name.startswith(("aux", "AuxLogits")):
                continue
            place, _, leaf = name.rpartition(".")
            if place == self.head_name:
                named[f"linear.{leaf}"] = tensor.flatten(1) if leaf == "weight" else tensor
            else:
                named["body." + OLD_DENSENET_NAME.sub(r"\1\2", name)] = tensor
        mean, deviation = IMAGENET_MEAN, IMAGENET_DEVIATION
        if self.name in INCEPTIONS:
            mean, deviation = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
        channels = self.mean.shape[1]
        for key, values in (("mean", mean), ("deviation", deviation)):
            tensor = torch.tensor(values).view(1, -1, 1, 1) * 255
            named[key] = tensor if channels == 3 else tensor.mean(1, keepdim=True)
        return named


def build(setup: ModelSetup, spec: InputSpec, n_classes: int) -> TorchvisionNet:
    """Return the network that torchvision knows by the model's name."""
    return TorchvisionNet(setup.model, spec, n_classes)


def _make(name: str, n_classes: int) -> nn.Module:
    """Return torchvision's network; imported here, as the import takes a second."""
    from torchvision import models  # noqa: PLC0415

    options = {"aux_logits": False, "init_weights": True} if name in INCEPTIONS else {}
    return models.get_model(name, weights=None, num_classes=n_classes, **options)


def _take_last_layer(net: nn.Module) -> tuple[str, nn.Linear]:
    """Replace the last linear layer by an identity; return its name and the layer."""
    layers = [(n, m) for n, m in net.named_modules() if isinstance(m, nn.Linear)]
    if not layers:
        return _take_convolution(net)
    name, linear = layers[-1]
    parent, _, leaf = name.rpartition(".")
    setattr(net.get_submodule(parent), leaf, nn.Identity())
    return name, linear


def _take_convolution(squeezenet: nn.Module) -> tuple[str, nn.Linear]:
    """Return SqueezeNet's last convolution as a linear layer on averaged features."""
    dropout, convolution, _relu, average = squeezenet.get_submodule("classifier").children()
    assert isinstance(convolution, nn.Conv2d)  # noqa: S101
    assert convolution.bias is not None  # noqa: S101
    linear = nn.Linear(convolution.in_channels, convolution.out_channels)
    with torch.no_grad():
        linear.weight.copy_(convolution.weight.flatten(1))
        linear.bias.copy_(convolution.bias)
    squeezenet.classifier = nn.Sequential(dropout, average)
    return "classifier.1", linear
