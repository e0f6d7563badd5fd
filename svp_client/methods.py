"""Turns one description of a method into a method of both clients.

The methods of `svp_client.routes` say what is to be sent and how the answer is read. The decorators
here make each a method that does it: at once for `Client`, awaited for `AsyncClient`. Signature
and docstring are those of the description.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from svp_client.calls import Call, Lines, Pages, Series, Stream

P = ParamSpec("P")
T = TypeVar("T")


class Sync(ABC):
    """A client that waits for answers."""

    @abstractmethod
    def perform(self, described: Call[T] | Series[T]) -> T:
        """Send the described calls and return the result."""

    @abstractmethod
    def iterate(self, described: Pages[T] | Lines[T] | Stream[T]) -> Iterator[T]:
        """Send the described calls and yield the entries as they come."""


class Async(ABC):
    """A client whose answers are awaited."""

    @abstractmethod
    async def perform(self, described: Call[T] | Series[T]) -> T:
        """Send the described calls and return the result."""

    @abstractmethod
    def iterate(self, described: Pages[T] | Lines[T] | Stream[T]) -> AsyncIterator[T]:
        """Send the described calls and yield the entries as they come."""


class result(Generic[P, T]):  # noqa: N801 - a decorator
    """A method that returns the result of one call, or of a series of calls."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Call[T] | Series[T]]) -> None:
        self.describe = describe

    @overload
    def __get__(self, client: Sync, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: Async, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, client: None, owner: type) -> Callable[..., Call[T] | Series[T]]: ...
    def __get__(self, client: Sync | Async | None, owner: type) -> Any:
        """Return the method of this client; of a class, the description."""
        return self.describe if client is None else _bound(client, self.describe, client.perform)


class entries(Generic[P, T]):  # noqa: N801 - a decorator
    """A method that yields the entries of a paged list, or the lines of a stream."""

    def __init__(
        self, describe: Callable[Concatenate[Any, P], Pages[T] | Lines[T] | Stream[T]]
    ) -> None:
        self.describe = describe

    @overload
    def __get__(self, client: Sync, owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, client: Async, owner: type) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(
        self, client: None, owner: type
    ) -> Callable[..., Pages[T] | Lines[T] | Stream[T]]: ...
    def __get__(self, client: Sync | Async | None, owner: type) -> Any:
        """Return the method of this client; of a class, the description."""
        return self.describe if client is None else _bound(client, self.describe, client.iterate)


def _bound(
    client: object, describe: Callable[..., Any], carry_out: Callable[[Any], Any]
) -> Callable[..., Any]:
    @functools.wraps(describe)
    def method(*args: Any, **kwargs: Any) -> Any:
        return carry_out(describe(client, *args, **kwargs))

    return method
