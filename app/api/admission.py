"""Places: limits how many requests run at once, overall and per project.

A request that waits for a place holds no thread and no connection. A project whose requests all
wait, for its lock or for a slow image host, holds its share of the places, and the others go on.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread

from app.domain.errors import ServiceBusy

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class _Share:
    """One project's share of the places, with the number of requests that use it or wait for it."""

    places: asyncio.Semaphore
    n_users: int = 0


@dataclass
class Places:
    """`n` places, of which each project gets at most `share`, in order of asking.

    Attributes:
        patience_seconds: how long a request waits before it is refused.
        threads: those of `run`, one for each place: they are not taken from other requests.
    """

    n: int
    share: int
    patience_seconds: float
    threads: CapacityLimiter = field(init=False)
    _all: asyncio.Semaphore = field(init=False)
    _shares: dict[Hashable, _Share] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._all = asyncio.Semaphore(self.n)
        self.threads = CapacityLimiter(self.n)

    @asynccontextmanager
    async def take(self, project: Hashable) -> AsyncIterator[None]:
        """Hold a place, of the project's share.

        Raises:
            ServiceBusy: none has become free in time.
        """
        share = self._shares.setdefault(project, _Share(asyncio.Semaphore(self.share)))
        share.n_users += 1
        try:
            until = asyncio.get_running_loop().time() + self.patience_seconds
            await self._acquire(share.places, until)
            try:
                await self._acquire(self._all, until)
                try:
                    yield
                finally:
                    self._all.release()
            finally:
                share.places.release()
        finally:
            share.n_users -= 1
            if share.n_users == 0:
                del self._shares[project]

    async def run(self, project: Hashable, use: Callable[P, R], *args: P.args, **kw: P.kwargs) -> R:
        """Run a function in a thread of its own kind, in one of the places."""
        async with self.take(project):
            return await to_thread.run_sync(partial(use, *args, **kw), limiter=self.threads)

    async def _acquire(self, places: asyncio.Semaphore, until: float) -> None:
        try:
            async with asyncio.timeout_at(until):
                await places.acquire()
        except TimeoutError:
            raise ServiceBusy(
                f"No place became free within {self.patience_seconds:g} s: too many requests are "
                "under way. Nothing was done; send the request again later."
            ) from None


@dataclass
class Admission:
    """The places of a process.

    Attributes:
        database: of requests that open transactions; fewer than the threads that serve them.
        authentication: of asking who calls, on connections of their own.
        reading: of reading images and checking files, which opens no transaction.
        health: threads of its own, which others cannot hold.
    """

    database: Places
    authentication: Places
    reading: Places
    health: CapacityLimiter

    @classmethod
    def create(cls, patience_seconds: float) -> "Admission":
        """Return the places of a process; call this in its event loop."""
        return cls(
            database=Places(DATABASE, DATABASE_SHARE, patience_seconds),
            authentication=Places(AUTHENTICATION, AUTHENTICATION, patience_seconds),
            reading=Places(READING, READING_SHARE, patience_seconds),
            health=CapacityLimiter(HEALTH),
        )


# A request that holds its project's lock needs a thread once more, to render its answer, to commit
# or to roll back: were all 40 threads with requests that wait for that lock, none would ever go on.
DATABASE = 12
DATABASE_SHARE = 4  # two projects that wait leave a third of the places to the others
AUTHENTICATION = 4
READING = 8
READING_SHARE = 4
HEALTH = 4
