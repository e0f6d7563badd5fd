"""Memory of the service's processes over time."""

import threading
from collections import defaultdict
from collections.abc import Callable

import psutil

from tests.system.chaos.services import Service

ROLES = ("supervisor", "api", "worker", "child", "postgres")
EVERY_SECONDS = 5.0


class MemorySampler:
    """Remembers (second, megabytes) of the largest process of each role."""

    def __init__(self, service: Service, now: Callable[[], float]) -> None:
        self.samples: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self._service = service
        self._now = now
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample_on, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def sample(self) -> dict[str, float]:
        """Return the megabytes of the largest process of each role that lives."""
        found = {}
        for role in ROLES:
            sizes = []
            for process in self._service.find(role):
                try:
                    sizes.append(process.memory_info().rss / 1e6)
                except psutil.Error:
                    continue
            if sizes:
                found[role] = round(max(sizes), 1)
        return found

    def by_minute(self) -> dict[str, list[float]]:
        """Return each role's largest value in each minute, 0 where it never lived."""
        minutes: dict[str, list[float]] = {}
        for role, samples in self.samples.items():
            largest = [0.0] * (int(samples[-1][0] // 60) + 1)
            for second, size in samples:
                largest[int(second // 60)] = max(largest[int(second // 60)], size)
            minutes[role] = largest
        return minutes

    def _sample_on(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            for role, size in self.sample().items():
                self.samples[role].append((self._now(), size))
