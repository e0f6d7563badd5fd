"""Evens out the time that answers to annotators take, which would tell them what is gold.

An answer to gold runs other statements than a label does. The few milliseconds between them show
to someone who times some hundred answers.
"""

import asyncio
import random
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from app.api.deps import SessionDep, SettingsDep
from app.db.queries import projects
from app.domain.annotation import annotation_from_json


class Steps:
    """The step to whole numbers of which one process holds such answers back.

    Three times what they take at present: one about gold may take half as long again as others.
    """

    def __init__(self, chance: random.Random | None = None) -> None:
        """Begin; `chance` draws what is added, by default what nobody can foresee."""
        self._lately: deque[float] = deque(maxlen=100)
        self._chance = chance or random.SystemRandom()

    def seconds_left(self, passed: float, least_seconds: float) -> float:
        """Return how long to hold an answer back that has taken `passed` seconds.

        To the end of the step, and by chance up to a step more: a whole number of steps alone lets
        through the millisecond that an answer is late in waking up and on its way.

        Args:
            passed: seconds since its request came.
            least_seconds: the shortest step; 0 = hold nothing back.
        """
        self._lately.append(passed)
        if least_seconds == 0:
            return 0.0
        step = max(least_seconds, 3 * statistics.median(self._lately))
        return -passed % step + self._chance.uniform(0, step)


@dataclass
class Held:
    """Whether an answer must be held back."""

    is_needed: bool = False


async def hold_back(request: Request, settings: SettingsDep) -> AsyncIterator[Held]:
    """Wait at the request's end, after its transaction, if that turns out to be needed."""
    began, held = time.monotonic(), Held()
    yield held
    if held.is_needed:
        steps: Steps = request.app.state.steps
        passed = time.monotonic() - began
        await asyncio.sleep(steps.seconds_left(passed, settings.gold_answer_seconds))


async def get_even_session(
    held: Annotated[Held, Depends(hold_back, scope="function")],
    session: SessionDep,
) -> AsyncIterator[Session]:
    """Yield the request's session; where its project has gold, the answer takes an even time."""
    yield session
    project = projects.last_locked(session)
    if project is not None:
        held.is_needed = annotation_from_json(project.annotation).gold_fraction > 0


EvenSessionDep = Annotated[Session, Depends(get_even_session, scope="function")]
