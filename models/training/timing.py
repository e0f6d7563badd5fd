"""Wall and CPU seconds by part, with the device's queue emptied before the clocks are read."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from models.seconds import PartSeconds, Spent


def spent_so_far() -> Spent:
    """Return the clocks of this process; two readings give what was spent between them."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Spent(time.perf_counter(), sum(usage.ru_utime + usage.ru_stime for usage in usages))


def synchronize(device: str) -> None:
    """Wait until the device has done all work given to it."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


class Stopwatch:
    """Adds up what named parts spend; a part within another counts for itself alone."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._parts: dict[str, Spent] = {}
        self._within = Spent()  # of the parts that have ended within the open one
        self._only: str | None = None

    @property
    def seconds(self) -> PartSeconds:
        """Seconds that each part has spent so far."""
        return PartSeconds(
            {name: spent.wall for name, spent in self._parts.items()},
            {name: spent.cpu for name, spent in self._parts.items()},
        )

    def of(self, name: str) -> Spent:
        """Return the seconds that a part has spent so far."""
        return self._parts.get(name, Spent())

    def put(self, name: str, spent: Spent) -> None:
        """Replace the seconds that a part has spent."""
        self._parts[name] = spent

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the seconds of the block to a part."""
        name = self._only or name
        synchronize(self.device)
        started, outer = spent_so_far(), self._within
        self._within = Spent()
        yield
        synchronize(self.device)
        spent = spent_so_far().less(started)
        self.put(name, self.of(name).plus(spent.less(self._within)))
        self._within = outer.plus(spent)

    @contextmanager
    def everything_is(self, name: str) -> Iterator[None]:
        """Count all parts of the block as this one."""
        self._only = name
        try:
            yield
        finally:
            self._only = None
