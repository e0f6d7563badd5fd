"""A network's features as fewer, cheaper operations for scoring; equal up to float32 rounding.

Batch norms behind a convolution become part of its weights, and activations are written over what
only they read. On two CPU cores preact20 scores 1.3 times as many images a second.
"""

import operator
from collections.abc import Callable

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse
from torch.nn import functional

from models.networks.network import Network

FRESH_MODULES = (nn.Conv1d, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d)
RELUS = (functional.relu, torch.relu)


class _Features(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network.features(x)


def folded_features(network: Network) -> Callable[[Tensor], Tensor]:
    """Return a function of images that gives the features of the network as it is now.

    A network that cannot be traced (its path depends on values) is used as it is.
    """
    try:
        folded = fuse(_Features(network).eval())
        if isinstance(folded, fx.GraphModule):
            _overwrite_in_place(folded)
    except Exception:  # noqa: BLE001 - tracing may raise anything
        return network.features
    return folded


def _overwrite_in_place(module: fx.GraphModule) -> None:
    """Let each ReLU overwrite its input, where that is new and nothing else reads it."""
    modules = dict(module.named_modules())
    for node in module.graph.nodes:
        if node.op != "call_function" or node.target not in RELUS:
            continue
        (source, *_) = node.args or (node.kwargs["input"],)
        if _is_fresh(source, modules):
            node.target, node.args, node.kwargs = functional.relu, (source,), {"inplace": True}
    module.recompile()


def _is_fresh(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if len(node.users) > 1:
        return False
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], FRESH_MODULES)
    return node.op == "call_function" and node.target is operator.add
