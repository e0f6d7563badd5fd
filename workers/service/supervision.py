"""Restarts parts of the service that have died: with pauses, and not forever."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from app.domain.errors import DomainError

MAX_DEATHS = 5
WITHIN_SECONDS = 600.0
FIRST_PAUSE_SECONDS = 0.25
LAST_PAUSE_SECONDS = 30.0


class StackError(DomainError):
    """The service cannot start or has lost a part for good; the message says which and why."""

    code = "stack_error"


class Part(Protocol):
    """A part of the service that may die."""

    name: str

    def start(self) -> None:
        """Start it; raises OSError or TimeoutError if it cannot."""

    def fault(self) -> str | None:
        """Return why it no longer works, None while it lives."""


class Restarts:
    """Decides when one part may be started again; the clock is passed in."""

    def __init__(self) -> None:
        self._deaths: deque[float] = deque()

    def pause_after_death(self, now: float) -> float | None:
        """Return the seconds to wait before the next start; None: it has died too often."""
        self._deaths.append(now)
        while now - self._deaths[0] > WITHIN_SECONDS:
            self._deaths.popleft()
        if len(self._deaths) >= MAX_DEATHS:
            return None
        return min(FIRST_PAUSE_SECONDS * 4.0 ** (len(self._deaths) - 1), LAST_PAUSE_SECONDS)


class Supervisor:
    """Watches parts, in the order in which they need each other.

    Args:
        parts: each needs those before it: while one is down, those after it are not started.
        has_room: whether the disk has room. A death on a full disk does not count, and nothing is
            started until there is room again.
        say: told of every death and start.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        has_room: Callable[[], bool],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts = parts
        self._has_room = has_room
        self._say = say
        self._clock = clock
        self._restarts = {part.name: Restarts() for part in parts}
        self._start_at: dict[str, float] = {}
        self._waits_for_room = False

    def check(self) -> None:
        """Check every part once, and restart those that are due.

        Raises:
            StackError: a part has died 5 times in 10 minutes; the message holds its last words.
        """
        for part in self._parts:
            if part.name not in self._start_at:
                fault = part.fault()
                if fault is not None:
                    self._note_death(part, fault)
            if part.name in self._start_at:
                self._start_if_due(part)
            if part.name in self._start_at:
                return  # those after it need it

    def _note_death(self, part: Part, fault: str) -> None:
        now = self._clock()
        if not self._has_room():
            self._say(f"{part.name} has ended on a full disk: {fault}")
            self._start_at[part.name] = now
            return
        pause = self._restarts[part.name].pause_after_death(now)
        if pause is None:
            raise StackError(
                f"{part.name} has ended {MAX_DEATHS} times within {WITHIN_SECONDS / 60:.0f} "
                f"minutes and is not started again: {fault}"
            )
        self._say(f"{part.name} has ended, starting it again in {pause:g} s: {fault}")
        self._start_at[part.name] = now + pause

    def _start_if_due(self, part: Part) -> None:
        if self._clock() < self._start_at[part.name]:
            return
        if not self._has_room():
            if not self._waits_for_room:
                self._say(f"{part.name} is started once the disk has room")
            self._waits_for_room = True
            return
        self._waits_for_room = False
        del self._start_at[part.name]
        try:
            part.start()
        except (OSError, TimeoutError) as error:
            self._note_death(part, str(error))
        else:
            self._say(f"{part.name} is started again")
