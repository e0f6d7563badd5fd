"""Chooses the number of CPU threads of a network: one for small minibatches, all for large ones.

A small minibatch gains nothing from a second thread, and beside another busy process each of its
many short loops would wait for the thread that shares a core with that process. The number follows
from the work alone, never from the machine's load: the same work gives the same bits.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from models.data.arrays import Inputs
from models.networks.network import Network, to_tensors

# A training step of preact20 on 128 images of 8 x 8 is 2.0e9: it takes as long on one core as on
# two. tests/benchmarks/models/bench_threads.py measures this and others.
SMALLEST_SHARED_FLOPS = 2.2e9
BACKWARD_FLOPS = 2  # of a backward pass, in forward passes
COUNTED = (nn.Conv1d, nn.Conv2d, nn.Linear)


@dataclass
class _Fixed:
    """Whether the operator has fixed the number of threads."""

    is_set: bool = False


FIXED = _Fixed()


def fix_threads(n: int) -> None:
    """Compute everything on `n` threads from now on, whatever the work."""
    FIXED.is_set = True
    torch.set_num_threads(n)


def allow_threads(n: int) -> None:
    """Compute on at most `n` threads from now on, as many as the work is worth."""
    FIXED.is_set = False
    torch.set_num_threads(n)


@contextmanager
def suitable_threads(count_flops: Callable[[], float]) -> Iterator[None]:
    """Let torch use one thread for minibatches of few operations, else all that it may use.

    They are counted only where that decides anything: counting costs a forward pass of one input.
    """
    before = torch.get_num_threads()
    is_open = before > 1 and not FIXED.is_set
    if is_open and count_flops() < SMALLEST_SHARED_FLOPS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def training_flops(network: Network, inputs: Inputs, minibatch: int) -> float:
    """Return the operations of one training step of a network on the CPU: forward and backward."""
    return (1 + BACKWARD_FLOPS) * scoring_flops(network, inputs, minibatch)


def scoring_flops(network: Network, inputs: Inputs, minibatch: int) -> float:
    """Return the operations that a network on the CPU takes to score a minibatch.

    Multiplications and additions of convolutions and linear layers, as they are for the first
    input. The network is left as it was.
    """
    if len(inputs) == 0:
        return 0.0
    flops = 0

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal flops
        weight = layer.weight
        assert isinstance(weight, Tensor)  # noqa: S101 - of every layer in COUNTED
        flops += 2 * weight.numel() * output[0, 0].numel()

    hooks = [
        layer.register_forward_hook(count)
        for layer in network.modules()
        if isinstance(layer, COUNTED)
    ]
    was_training = network.training
    try:
        with torch.inference_mode():
            network.eval()(*to_tensors(inputs.take(np.zeros(1, np.int64)), "cpu"))
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return float(flops * minibatch)
