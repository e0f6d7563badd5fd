"""A job's process and its supervisor: done, ready for another job, stopped, or gone."""

import sys
import time
from collections.abc import Callable, Iterator

import pytest

from workers.jobs.process import Child
from workers.jobs.protocol import DONE, FAILED, STOP_LINE, STOPPED

# Does what each line says, in a process of the real protocol, without torch and database.
SCRIPT = """
import sys, time
from unittest.mock import patch
from app.services.jobs import ClaimedJob
from workers.jobs import job_process

class Stopped(Exception): pass

def do(attempt):
    word, stop = attempt
    print(f"doing {word}", file=sys.stderr, flush=True)
    if word == "fail":
        raise ValueError("it broke")
    if word == "wait":
        while not stop():
            time.sleep(0.01)
        raise Stopped

class Claim:
    def __init__(self, word):
        self.id = self.request_id = self.kind = self.word = word
        self.attempts = 1

class Attempt(tuple):
    def __new__(cls, claimed, settings, factory, store, stop):
        self = super().__new__(cls, (claimed.word, stop))
        self.claimed = claimed
        return self

left = 2

def may_go_on():
    global left
    left -= 1
    return left > 0

with (
    patch.object(job_process, "_connect", lambda settings: None),
    patch.object(job_process, "ArtifactStore", lambda url: None),
    patch.object(job_process, "claimed_from_line", lambda line: Claim(line.strip())),
):
    job_process.serve_jobs(Attempt, lambda settings: None, do, (Stopped,), may_go_on)
"""


def ended(child: Child, seconds: float = 30.0) -> int | None:
    """Return how the child's job ended; None if it has not after so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        code = child.wait(0.05)
        if code is not None:
            return code
    return None


@pytest.fixture
def start() -> Iterator[Callable[[], Child]]:
    """Start a process; it is killed at the end."""
    children: list[Child] = []

    def begin() -> Child:
        children.append(Child([sys.executable, "-c", SCRIPT]))
        return children[-1]

    yield begin
    for child in children:
        if child.is_alive:
            child.kill()


def test_a_process_that_is_done_does_another_job_and_ends_when_it_may_not_go_on(
    start: Callable[[], Child],
) -> None:
    child = start()
    child.send("one\n")
    assert ended(child) == DONE
    assert child.is_alive
    child.send("two\n")
    assert ended(child) == DONE
    assert not child.is_alive
    assert [line for line in child.tail if "doing" in line] == ["doing one", "doing two"]


def test_a_process_that_failed_ends(start: Callable[[], Child]) -> None:
    child = start()
    child.send("fail\n")
    assert ended(child) == FAILED
    assert not child.is_alive
    assert "it broke" in child.why_it_ended(FAILED)


def test_a_stop_ends_the_job_at_work(start: Callable[[], Child]) -> None:
    child = start()
    child.send("one\n")
    assert ended(child) == DONE
    child.send("wait\n")
    assert ended(child, 0.5) is None
    child.send(STOP_LINE)
    assert ended(child) == STOPPED


def test_a_process_ends_with_its_supervisor(start: Callable[[], Child]) -> None:
    at_work, waits = start(), start()
    at_work.send("wait\n")
    waits.send("one\n")
    assert ended(waits) == DONE
    assert ended(at_work, 0.5) is None
    for child, code in ((at_work, FAILED), (waits, DONE)):
        assert child.process.stdin is not None
        child.process.stdin.close()
        assert child.process.wait(30) == code
