"""Minibatches on the device: gathered there from resident data, or on the host from arrays.

Inputs that fit the device's budget are copied to it once, as uint8 or token ids. Others, such as
the memory-mapped pack of an ImageNet, are gathered row by row and sent; the bits are the same.
"""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from models.data.arrays import Images, Inputs, Texts, Vectors
from models.networks.network import to_tensors


class Feed(Protocol):
    """Gives minibatches of one set of inputs."""

    def __call__(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Return these rows (on the CPU) as a network takes them, on the device."""


def make_feed(inputs: Inputs, device: str) -> Feed:
    """Return the feed that suits the inputs' size and the device."""
    if inputs.size_bytes > device_budget(device):
        return HostFeed(inputs, device)
    return ResidentTexts(inputs, device) if isinstance(inputs, Texts) else Resident(inputs, device)


def device_budget(device: str) -> int:
    """Return how many bytes of inputs may be copied to the device: half of its free memory.

    None of them on the CPU, whose memory holds or maps the arrays already.
    """
    if not device.startswith("cuda"):
        return 0
    return int(torch.cuda.mem_get_info(device)[0]) // 2


class HostFeed:
    """Gathers rows on the host, those of a memory map in the file's order, and copies them over."""

    def __init__(self, inputs: Inputs, device: str) -> None:
        self.inputs, self.device = inputs, device
        self._is_mapped = isinstance(inputs.arrays[0], np.memmap)

    def __call__(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Return these rows, read in ascending order where reading means a disk."""
        if not self._is_mapped or isinstance(self.inputs, Texts):
            return to_tensors(self.inputs.take(rows.numpy()), self.device)
        ascending, order = rows.sort(stable=True)
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order))
        (values,) = to_tensors(self.inputs.take(ascending.numpy()), self.device)
        return (values[place.to(values.device)],)


class Resident:
    """Images or vectors that reside on the device."""

    def __init__(self, inputs: Images | Vectors, device: str) -> None:
        (self.values,) = to_tensors(inputs, device)

    def __call__(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Return these rows."""
        return (self.values[rows.to(self.values.device)],)


class ResidentTexts:
    """Token ids that reside on the device; the offsets stay on the host."""

    def __init__(self, texts: Texts, device: str) -> None:
        self.offsets = torch.from_numpy(np.array(texts.offsets))
        self.ids = torch.from_numpy(np.array(texts.token_ids)).to(device)

    def __call__(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Return these rows as (ids, offsets), without waiting for the device."""
        device, starts = self.ids.device, self.offsets[rows]
        lengths = self.offsets[rows + 1] - starts
        offsets = lengths.cumsum(0) - lengths
        n_ids = int(lengths.sum())
        shift = torch.repeat_interleave(
            (starts - offsets).to(device), lengths.to(device), output_size=n_ids
        )
        ids = self.ids[shift + torch.arange(n_ids, device=device)]
        return ids.long(), offsets.to(device)


def part(inputs: Inputs, start: int, stop: int) -> Inputs:
    """Return the rows from start to stop, without a copy."""
    if isinstance(inputs, Images):
        return Images(inputs.pixels[start:stop])
    if isinstance(inputs, Vectors):
        return Vectors(inputs.values[start:stop])
    offsets = inputs.offsets[start : stop + 1]
    return Texts(inputs.token_ids[offsets[0] : offsets[-1]], offsets - offsets[0])
