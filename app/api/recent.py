"""Answers that take long over hundreds of thousands of labels: kept in memory for a while.

Whoever asks gets the kept answer at once; counting it again happens beside that, and takes a small
part of the time. Projects with few labels are always counted anew.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import structlog
from fastapi import Depends, Request
from sqlalchemy.orm import Session, sessionmaker

from app.db.session import reading
from app.db.tables import Project

T = TypeVar("T")
FEW_LABELS = 20_000
REST = 20.0  # counted again no sooner than after so many times the seconds that it took
OLDEST_SECONDS = 600.0  # whoever asks for an older one waits for a new one
MOST_ANSWERS = 200

Key = tuple[str, int]


@dataclass
class _Kept:
    answer: Any
    at: float
    seconds: float
    version: int
    is_due: bool = False


class Recent:
    """The kept answers of one process, by question and project.

    Attributes:
        few_labels: of projects with fewer labels nothing is kept.
    """

    def __init__(
        self, factory: sessionmaker[Session], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._factory = factory
        self._clock = clock
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._lock = threading.Lock()
        self._counting: dict[Key, threading.Lock] = {}
        self.few_labels = FEW_LABELS
        self._worker = ThreadPoolExecutor(1, "recent")

    def read(
        self,
        question: str,
        project: Project,
        count: Callable[[Session], T],
        session: Session,
        version: int = 0,
    ) -> T:
        """Return the answer to a question about a project: the kept one, or a new one.

        Args:
            question: names what `count` answers.
            project: its labels decide whether anything is kept.
            count: reads the answer; it may run again later, in another session.
            session: the request's own.
            version: an answer of another version is not given.
        """
        if project.n_labeled + project.n_imported < self.few_labels:
            return count(session)
        key = (question, project.id)
        kept = self._find(key, version)
        if kept is None:
            with self._lock:
                counting = self._counting.setdefault(key, threading.Lock())
            with counting:  # who comes meanwhile waits for this answer and takes it
                kept = self._find(key, version) or self._count(key, count, session, version)
        elif self._clock() - kept.at > REST * kept.seconds:
            self._count_later(key, kept, count)
        answer: T = kept.answer
        return answer

    def forget(self, project_id: int) -> None:
        """Forget what was counted of a project: somebody has changed it."""
        with self._lock:
            for key in [key for key in self._kept if key[1] == project_id]:
                del self._kept[key]

    def close(self) -> None:
        """Count nothing any more; wait for what is being counted."""
        self._worker.shutdown(cancel_futures=True)

    def _find(self, key: Key, version: int) -> _Kept | None:
        with self._lock:
            kept = self._kept.get(key)
        if kept is None or kept.version != version:
            return None
        return None if self._clock() - kept.at > OLDEST_SECONDS else kept

    def _count(
        self, key: Key, count: Callable[[Session], Any], session: Session, version: int
    ) -> _Kept:
        began = self._clock()
        answer = count(session)
        kept = _Kept(answer, self._clock(), self._clock() - began, version)
        with self._lock:
            self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_ANSWERS:
                old, _ = self._kept.popitem(last=False)
                self._counting.pop(old, None)
        return kept

    def _count_later(self, key: Key, kept: _Kept, count: Callable[[Session], Any]) -> None:
        with self._lock:
            if kept.is_due:
                return
            kept.is_due = True

        def count_again() -> None:
            try:
                with reading(self._factory) as session:
                    self._count(key, count, session, kept.version)
            except Exception as error:  # noqa: BLE001 - the old answer stands; asked again later
                kept.is_due = False
                structlog.get_logger().warning(
                    "answer.not_counted", question=key[0], project=key[1], reason=str(error)
                )

        self._worker.submit(count_again)


def get_recent(request: Request) -> Recent:
    """Return the process's kept answers."""
    recent: Recent = request.app.state.recent
    return recent


RecentDep = Annotated[Recent, Depends(get_recent)]
