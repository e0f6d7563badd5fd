"""Seconds by part, with the device's queue emptied before the clock is read."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def synchronize(device: str) -> None:
    """Wait until the device has done all work given to it."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


class Stopwatch:
    """Adds up seconds by named part."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the seconds of the block to a part."""
        synchronize(self.device)
        start = time.perf_counter()
        yield
        synchronize(self.device)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
