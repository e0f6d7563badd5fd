"""Kept answers: given at once, counted again beside that; never of projects with few labels."""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.api.recent import FEW_LABELS, OLDEST_SECONDS, REST, Recent
from app.db.tables import Project
from tests.support import wait_for

SECONDS = 2.0  # that counting takes, by the test's clock


class Counter:
    """Something that is counted, and takes its time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.n = 0
        self.fails = False

    def __call__(self, _: Session) -> int:
        self.now += SECONDS
        self.n += 1
        if self.fails:
            raise RuntimeError("the database is away")
        return self.n


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def recent(session_factory: sessionmaker[Session], counter: Counter) -> Iterator[Recent]:
    kept = Recent(session_factory, lambda: counter.now)
    yield kept
    kept.close()


@pytest.fixture
def large() -> Project:
    """A project with many labels."""
    return Project(id=1, n_labeled=FEW_LABELS, n_imported=0)


def test_of_few_labels_every_answer_is_new(
    recent: Recent, counter: Counter, session: Session
) -> None:
    small = Project(id=1, n_labeled=FEW_LABELS - 2, n_imported=1)
    assert [recent.read("q", small, counter, session) for _ in range(3)] == [1, 2, 3]


def test_an_answer_stands_for_a_while_and_is_then_counted_again_beside_the_requests(
    recent: Recent, counter: Counter, session: Session, large: Project
) -> None:
    assert [recent.read("q", large, counter, session) for _ in range(3)] == [1, 1, 1]
    counter.now += REST * SECONDS + 1
    assert recent.read("q", large, counter, session) == 1
    wait_for(lambda: counter.n == 2, 5)
    wait_for(lambda: recent.read("q", large, counter, session) == 2, 5)


def test_nobody_gets_a_very_old_one(
    recent: Recent, counter: Counter, session: Session, large: Project
) -> None:
    recent.read("q", large, counter, session)
    counter.now += OLDEST_SECONDS + 1
    assert recent.read("q", large, counter, session) == 2


def test_questions_projects_and_versions_have_answers_of_their_own(
    recent: Recent, counter: Counter, session: Session, large: Project
) -> None:
    other = Project(id=2, n_labeled=FEW_LABELS, n_imported=0)
    asked = [("q", large, 0), ("r", large, 0), ("q", other, 0), ("q", large, 1)]
    found = [recent.read(name, p, counter, session, v) for name, p, v in asked]
    assert found == [1, 2, 3, 4]


def test_what_somebody_changed_is_counted_anew(
    recent: Recent, counter: Counter, session: Session, large: Project
) -> None:
    recent.read("q", large, counter, session)
    recent.forget(large.id)
    assert recent.read("q", large, counter, session) == 2


def test_a_failure_beside_leaves_the_old_answer_and_is_tried_again(
    recent: Recent, counter: Counter, session: Session, large: Project
) -> None:
    recent.read("q", large, counter, session)
    counter.now += REST * SECONDS + 1
    counter.fails = True
    assert recent.read("q", large, counter, session) == 1
    wait_for(lambda: counter.n == 2, 5)
    counter.fails = False
    wait_for(lambda: recent.read("q", large, counter, session) > 1, 5)


def test_many_who_ask_at_once_wait_for_one_answer(
    recent: Recent, session_factory: sessionmaker[Session], large: Project
) -> None:
    gate, asked = threading.Event(), []

    def count(_: Session) -> int:
        asked.append(1)
        gate.wait(10)
        return 7

    found: list[int] = []

    def ask() -> None:
        with session_factory() as session:
            found.append(recent.read("q", large, count, session))

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(asked) == 1, 5)
    gate.set()
    for thread in threads:
        thread.join()
    assert (found, len(asked)) == ([7] * 5, 1)
