"""A service of several parts: they start in order, and stop in the reverse order."""

from abc import ABC, abstractmethod
from contextlib import ExitStack
from types import TracebackType
from typing import Self


class StartStop(ABC):
    """A context manager: entering starts the parts, leaving stops them."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start every part; if one does not start, stop the others again."""
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop every part, the last one first."""
        self._stack.close()

    @abstractmethod
    def _start(self) -> None:
        """Start every part and register its stop on `_stack`; return when all are ready."""
